package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

// Reader reads the settings of one run. For every flag that is not on the command line, it gives kong the value
// from the environment, else from the file. (If kong read the environment itself, the file would override it.)
type Reader struct {
	environ Environ
	env     map[string]string // the PANDADOC_ part of the environment
	stores  stores.Table
	file    *file // empty without one

	sources  map[string]string // setting to where its value was written, unless on the command line
	given    map[string]int    // how often each setting is on the command line; nil until load
	mistakes map[string]error  // setting to what is wrong with its text
	errs     []error           // of the file, and then those of mistakes with their places

	// UnknownVariables is a warning about variables that have the name of no setting. Nil if there are none.
	UnknownVariables error
}

// NewReader returns a Reader for an environment, as from os.Environ, and a table of stores.
func NewReader(environ Environ, table stores.Table) *Reader {
	r := &Reader{
		environ: environ, env: map[string]string{}, stores: table, file: &file{},
		sources: map[string]string{}, mistakes: map[string]error{},
	}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) {
			r.env[name] = value
		}
	}
	return r
}

// Options makes a kong parser read settings.
func (r *Reader) Options() []kong.Option {
	return append(r.mappers(), kong.Resolvers(kong.ResolverFunc(r.resolve)), kong.Vars{"stores": r.stores.Help()})
}

// Parsed must be called with kong's result before the settings are checked. It collects the mistakes in single
// settings and the unknown names, so that one run shows all mistakes.
func (r *Reader) Parsed(command *kong.Context) {
	for _, flag := range command.Flags() {
		if err := r.mistakes[flag.Name]; err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", r.source(flag.Name), err))
		}
	}
	for _, argument := range command.Selected().Positional {
		if err := r.mistakes[argument.Name]; err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", argument.Tag.PlaceHolder, err))
		}
	}
	r.checkNames(command)
}

// resolve returns the value of a flag that is not on the command line, or nil to leave it at its default.
func (r *Reader) resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" || flag.Name == "version" {
		return nil, nil
	}
	r.load(ctx)
	if value := r.fromEnv(flag); value != nil {
		return value, nil
	}
	_, named := namedKeys[flag.Name] // "accounts:" in the file is not the flag --accounts, a number
	if entry, ok := r.file.entries[flag.Name]; ok && !named {
		return r.fromFile(flag, entry), nil
	}
	return nil, nil
}

// fromEnv returns nil for a variable that is not set.
func (r *Reader) fromEnv(flag *kong.Flag) any {
	name := envName(flag.Name)
	text, set := r.env[name]
	switch blank := strings.TrimSpace(text) == ""; {
	case !set, blank && !flag.Tag.Has("empty") && !flag.Tag.Has("narrows"):
		return nil
	case blank && flag.Tag.Has("narrows"):
		r.errs = append(r.errs, problem.Mistake(name+": the value is empty, which would "+emptyEffect(flag), "give a value, or unset "+name))
		return nil
	}
	r.sources[flag.Name] = name
	if !flag.IsSlice() {
		return text
	}
	if flag.Tag.Has("lines") {
		return list(slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return strings.TrimSpace(s) == "" }))
	}
	return list(strings.Fields(text))
}

// emptyEffect returns what an empty value of a setting that narrows would do.
func emptyEffect(flag *kong.Flag) string { return cmp.Or(flag.Tag.Get("narrows"), "allow everything") }

// fromFile returns nil for an entry that cannot be used.
func (r *Reader) fromFile(flag *kong.Flag, e entry) any {
	r.sources[flag.Name] = e.where
	err := e.err
	switch {
	case err != nil:
	case !flag.IsSlice() && e.list:
		err = problem.Mistake(e.where+": one value is expected, not a list", "write "+flag.Name+": VALUE")
	case len(e.values) == 0 && flag.Tag.Has("narrows"):
		err = problem.Mistake(e.where+": the list is empty, which would "+emptyEffect(flag), "list what is allowed, or remove the line")
	case len(e.values) == 0:
		err = problem.Mistake(e.where+": the list is empty", "give a value, or remove the line")
	case flag.IsSlice():
		return list(e.values)
	default:
		return e.values[0]
	}
	r.errs = append(r.errs, err)
	return nil
}

// list returns values in a form that kong's decoders do not split.
func list(values []string) []any {
	items := make([]any, len(values))
	for i, s := range values {
		items[i] = s
	}
	return items
}

// load reads the command line and the file once, as soon as the command is known.
func (r *Reader) load(ctx *kong.Context) {
	if r.given != nil {
		return
	}
	r.given = map[string]int{}
	for _, p := range ctx.Path { // in which resolve has put nothing yet
		if p.Flag != nil {
			r.given[p.Flag.Name]++
		}
	}
	for _, flag := range ctx.Flags() {
		if flag.Name != "config" {
			continue
		}
		path, source := r.env[envName("config")], envName("config")
		if given, _ := ctx.FlagValue(flag).(string); given != "" {
			path, source = given, "--config"
		}
		if path == "" {
			return
		}
		if n := r.given["config"]; n > 1 {
			r.errs = append(r.errs, problem.Mistake(fmt.Sprintf("--config is given %d times, and only one file is read", n), "put the settings into one file, and name it once"))
		}
		var err error
		if r.file, err = readSettings(source, path); err != nil {
			r.errs = append(r.errs, err)
		}
	}
}

// source returns where the value of a setting was written, for messages about it.
func (r *Reader) source(setting string) string {
	if s, ok := r.sources[setting]; ok {
		return s
	}
	return "--" + setting
}

// inFile reports whether the value of a setting was taken from the configuration file.
func (r *Reader) inFile(setting string) bool {
	where := r.file.where(setting)
	return where != "" && r.sources[setting] == where
}

// checkNames reports unknown names. In the file they are errors. In the environment they are warnings, because
// Kubernetes sets variables for every service whose name begins with pandadoc.
func (r *Reader) checkNames(command *kong.Context) {
	names := settingNames(command.Model, command.Selected())
	r.errs = append(r.errs, r.file.checkKeys(names)...)
	known := append(Variables(command.Model), BaseURL)
	var unknown, meant []string
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		if slices.Contains(known, name) {
			continue
		}
		unknown = append(unknown, name)
		if near, ok := Nearest(settingOf(name), names); ok {
			meant = append(meant, fmt.Sprintf("%s for %s", envName(near), name))
		}
	}
	if len(unknown) == 0 {
		return
	}
	fix := "correct their names, or ignore this if Kubernetes made them for services"
	if len(meant) > 0 {
		fix = fmt.Sprintf("did you mean %s? %s", strings.Join(meant, ", "), fix)
	}
	r.UnknownVariables = problem.Mistake("these environment variables are not settings and are ignored: "+strings.Join(unknown, " "), fix)
}
