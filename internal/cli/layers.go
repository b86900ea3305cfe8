package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/problem"
)

const envPrefix = "PANDADOC_"

// envName returns the name in the environment of a flag or of a key of the file.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// layers answers kong for every flag that the command line did not give: from the environment, else
// from the file. (kong's own reading of the environment would be weaker than a resolver for the file.)
type layers struct {
	env  map[string]string // the PANDADOC_ part of the environment
	file *configFile       // nil without one

	loaded  bool
	sources map[string]string // flag or key to where its value was written
	errs    []error
}

func newLayers(environ []string) *layers {
	l := &layers{env: map[string]string{}, sources: map[string]string{}}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) {
			l.env[name] = value
		}
	}
	return l
}

// Validate implements kong.Resolver.
func (l *layers) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. Mistakes are collected, because kong would stop at the first.
func (l *layers) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" {
		return nil, nil
	}
	l.load(ctx)
	if text, ok := l.fromEnv(flag); ok {
		return l.typed(flag, listIn(flag, text), text), nil
	}
	if entry, ok := l.file.take(flag.Name); ok {
		return l.fromFile(flag, entry), nil
	}
	return nil, nil
}

// listIn splits a list in the environment: at spaces, or at line breaks where entries hold spaces
// themselves (the tag `lines`).
func listIn(flag *kong.Flag, text string) []string {
	if !flag.Tag.Has("lines") {
		return strings.Fields(text)
	}
	return slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
}

func (l *layers) fromEnv(flag *kong.Flag) (string, bool) {
	name := envName(flag.Name)
	text, ok := l.env[name]
	if !ok || text == "" && !flag.Tag.Has("empty") {
		return "", false
	}
	l.sources[flag.Name] = name
	return text, true
}

func (l *layers) fromFile(flag *kong.Flag, e fileEntry) any {
	l.sources[flag.Name] = e.where
	switch {
	case e.err != nil:
		l.errs = append(l.errs, e.err)
		return nil
	case !flag.IsSlice() && e.list:
		l.errs = append(l.errs, fmt.Errorf("%s: %w", e.where, problem.Mistake("one value is expected, not a list", "write "+flag.Name+": VALUE")))
		return nil
	}
	return l.typed(flag, e.values, strings.Join(e.values, " "))
}

// typed returns the value in the form that kong's decoders take without splitting it.
func (l *layers) typed(flag *kong.Flag, list []string, text string) any {
	if !flag.IsSlice() {
		return text
	}
	items := make([]any, len(list))
	for i, s := range list {
		items[i] = s
	}
	return items
}

// load reads the file, once, when the command is known.
func (l *layers) load(ctx *kong.Context) {
	if l.loaded {
		return
	}
	l.loaded = true
	for _, flag := range ctx.Flags() {
		if flag.Name != "config" {
			continue
		}
		path := l.env[envName("config")]
		if given, _ := ctx.FlagValue(flag).(string); given != "" {
			path = given
		}
		if path == "" {
			return
		}
		var err error
		if l.file, err = readConfigFile(path); err != nil {
			l.errs = append(l.errs, err)
		}
	}
}

// source says where the value of a flag was written, for messages about it.
func (l *layers) source(flag string) string {
	if s, ok := l.sources[flag]; ok {
		return s
	}
	return "--" + flag
}

// fromTheFile says whether the value of a flag was taken from the configuration file.
func (l *layers) fromTheFile(flag string) bool {
	e, ok := l.file.take(flag)
	return ok && l.sources[flag] == e.where
}

// checkNames reports what is set but means nothing: an error for the file, whose author we are
// talking to, and a list for a warning for the environment, where Kubernetes puts the addresses of
// every service whose name begins with pandadoc.
func (l *layers) checkNames(known map[string]bool) (strangers []string, err error) {
	for name := range l.env {
		if !known[name] {
			strangers = append(strangers, name)
		}
	}
	slices.Sort(strangers)
	return strangers, l.file.checkKeys(known)
}

// knownNames lists the environment's names of all flags of all commands, so that a file or an
// environment can be shared between them.
func knownNames(app *kong.Application) map[string]bool {
	known := map[string]bool{}
	collect := func(n kong.Visitable, next kong.Next) error {
		if flag, ok := n.(*kong.Flag); ok {
			known[envName(flag.Name)] = true
		}
		return next(nil)
	}
	_ = kong.Visit(app, collect) // collect never fails
	for _, name := range secretNames {
		known[envName(name)] = true
	}
	delete(known, envName("help"))
	return known
}
