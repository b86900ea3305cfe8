package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
)

const description = `A local proxy that authenticates requests to PandaDoc. Point any HTTP client at http://localhost:8080 instead of
https://api.pandadoc.com: the proxy adds the token and keeps it fresh, and the client needs no credential.`

// examples are shown below the commands and in the man page.
const examples = `  pandadoc-auth-proxy sandbox                        try it without an account
  pandadoc-auth-proxy login && pandadoc-auth-proxy   sign in, then run the proxy
  curl http://localhost:8080/public/v1/documents     use it
  pandadoc-auth-proxy run -- node report.js          run one program together with its own proxy
  pandadoc-auth-proxy doctor                         find problems and their fixes`

const settingsHelp = `"pandadoc-auth-proxy help COMMAND" shows the flags of a command, "help serve" all settings. You can give every
setting as a flag, as an environment variable, or in the file that --config names.`

const exitHelp = `Exit status: 0 done, 1 failed, 2 wrong use or configuration, 3 login required.`

const secretsHelp = `Every setting below is also an environment variable (--listen is PANDADOC_LISTEN) and a key in the YAML file that
--config names (listen:). A flag overrides a variable, and a variable overrides the file.

Secrets cannot be flags, because other users of the machine can see the flags of a program. Set the variables
PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET. Then run login, or set PANDADOC_REFRESH_TOKEN or
PANDADOC_ACCESS_TOKEN. Or set only PANDADOC_API_KEY. You can add _FILE to the name of each of these variables: its
value is then the path of a file with the secret.

Accounts that you add with login need no configuration. If you configure the tokens or API keys of more accounts,
list these accounts in the YAML file. Below the name of each account, write refresh-token-file, access-token-file or
api-key-file (or the same without -file):

  accounts:
    acme:
      refresh-token-file: /run/secrets/acme`

// printHelp prints the help of the selected command. If no command was named, it prints an overview that fits
// on one screen.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if ctx.Selected() != nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Usage: %s [COMMAND] [FLAGS]\n\n%s\n", programName, description)
	title := ""
	for _, command := range ctx.Model.Children {
		if command.Group.Title != title {
			title = command.Group.Title
			fmt.Fprintf(&text, "\n%s:\n", title)
		}
		fmt.Fprintf(&text, "  %-12s %s\n", command.Name, command.Help)
	}
	fmt.Fprintf(&text, "\nExamples:\n%s\n\n%s\n%s\n", examples, settingsHelp, exitHelp)
	_, err := io.WriteString(ctx.Stdout, text.String())
	return err
}

// helpWithDefault adds the default to the help of a flag. It does not add the name of the environment variable,
// which follows from a rule in the general help.
func helpWithDefault(value *kong.Value) string {
	if value.Flag == nil || value.Default == "" || value.Default == "false" {
		return value.Help
	}
	return fmt.Sprintf("%s Default: %s.", value.Help, value.Default)
}

// usageError returns an error of the command line with a hint that names the command or flag that was probably
// meant.
func usageError(err error, app *kong.Application, args []string) error {
	hint := listsCommands
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if err := checkCommand(app, args[0], func(name string) []string { return slices.Concat([]string{name}, args[1:]) }); err != nil {
			return err
		}
		hint = "run: " + programName + " help " + args[0]
	}
	text := err.Error()
	if m := unknownLetter.FindStringSubmatch(text); m != nil {
		if m[1] = "unknown flag " + m[1]; strings.EqualFold(m[2], "v") {
			m[1] += ", did you mean \"--version\"?"
		}
		return withStatus(problem.Mistake(m[1], hint), exitUsage)
	}
	if m := valueMissing.FindStringSubmatch(text); m != nil {
		return withStatus(problem.Mistake(m[1]+": the value is missing", "write "+m[1]+"=VALUE"), exitUsage)
	}
	if m := argumentMissing.FindStringSubmatch(text); m != nil {
		return withStatus(problem.Mistake("the argument "+strings.ToUpper(m[1])+" is missing", hint), exitUsage)
	}
	if m := aboutFlag.FindStringSubmatch(text); m != nil {
		if err := flagBeforeCommand(app, m[1], args); err != nil {
			return withStatus(err, exitUsage)
		}
	}
	return withStatus(problem.WithHint(err, hint), exitUsage)
}

// flagBeforeCommand returns an error about a flag that stands before the command, so that kong took it for one of
// serve. Without a command, it returns nil.
func flagBeforeCommand(app *kong.Application, flag string, args []string) error {
	names := commandNames(app)
	i := slices.IndexFunc(args, func(word string) bool { return slices.Contains(names, word) })
	if i <= 0 {
		return nil
	}
	command := app.Children[slices.Index(names, args[i])]
	switch {
	case hasFlag(command, flag):
		return problem.Mistake(flag+" is before the command "+command.Name,
			"run: "+programName+" "+problem.Quote(slices.Concat(args[i:i+1], args[:i], args[i+1:])...))
	case hasFlag(serveOf(app), flag):
		return problem.Mistake(command.Name+" has no flag "+flag, "run: "+programName+" help "+command.Name)
	}
	return unknownFlag(command, flag)
}

func hasFlag(command *kong.Node, flag string) bool {
	return slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return "--"+f.Name == flag })
}

func serveOf(app *kong.Application) *kong.Node {
	return app.Children[slices.Index(commandNames(app), "serve")]
}

const listsCommands = "\"" + programName + " --help\" lists the commands, and \"" + programName + " help COMMAND\" their flags"

// Errors of kong that describe the state of its parser, and not what to type.
var (
	unknownLetter   = regexp.MustCompile(`^unknown flag (-(\w)), did you mean `) // always the only other letter, -h
	valueMissing    = regexp.MustCompile(`^(--[\w-]+): (?:expected .* value but got |missing value, )`)
	argumentMissing = regexp.MustCompile(`^expected "<([\w-]+)>"$`)
	aboutFlag       = regexp.MustCompile(`^(?:unknown )?flag (--[\w-]+)`)
)

// unknownFlag returns an error about a flag that a command does not have.
func unknownFlag(command *kong.Node, word string) error {
	var known []string
	for _, flag := range command.Flags {
		known = append(known, flag.Name)
	}
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	text := "unknown flag " + problem.Quote(word)
	if near, ok := config.Nearest(name, known); ok {
		text += fmt.Sprintf(", did you mean %q?", "--"+near)
	}
	return problem.Mistake(text, "run: "+programName+" help "+command.Name)
}

// givenTwice returns a warning about the flags with one value that are on the command line more than once. The last one
// counts, so that flags can be added to those of a script.
func givenTwice(command *kong.Context) error {
	times := map[*kong.Flag]int{}
	var errs []error
	for _, p := range command.Path {
		if p.Flag == nil || p.Resolved || p.Flag.IsSlice() || p.Flag.Name == "config" { // for config it is an error
			continue
		}
		if times[p.Flag]++; times[p.Flag] == 2 {
			errs = append(errs, fmt.Errorf("--%s is given more than once: only the last one counts", p.Flag.Name))
		}
	}
	return errors.Join(errs...)
}

func commandNames(app *kong.Application) (all []string) {
	for _, command := range app.Children {
		all = append(all, command.Name)
	}
	return all
}

// checkCommand returns an error if word is no command. correct returns the command line with another name in its
// place.
func checkCommand(app *kong.Application, word string, correct func(name string) []string) error {
	names := commandNames(app)
	if slices.Contains(names, word) {
		return nil
	}
	what, hint := "there is no command "+problem.Quote(word), listsCommands
	if name, ok := config.Nearest(word, names); ok {
		what += fmt.Sprintf(", did you mean %q?", name)
		hint = "run: " + programName + " " + problem.Quote(correct(name)...)
	}
	return withStatus(problem.Mistake(what, hint), exitUsage)
}

// typedFlag is a flag as it was typed, and the commands that have it.
type typedFlag struct {
	name     string
	words    []string
	commands []string
}

// typedSettings returns the flags of a command line that are settings of serve too, except for those with a secret: the
// texts that show them can go into a ticket.
func typedSettings(command *kong.Context) (all []typedFlag) {
	have := map[string][]string{} // commands, by flag
	for _, c := range command.Model.Children {
		for _, f := range c.Flags {
			have[f.Name] = append(have[f.Name], c.Name)
		}
	}
	for i, word := range command.Args {
		name, _, joined := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		commands := have[name]
		switch {
		case word == "--":
			return all
		case !strings.HasPrefix(word, "--") || !slices.Contains(commands, "serve") || name == "help":
			continue
		}
		f := typedFlag{name, []string{word}, commands}
		takesNoValue := slices.ContainsFunc(command.Flags(), func(f *kong.Flag) bool { return f.Name == name && f.IsBool() })
		if !joined && !takesNoValue && i+1 < len(command.Args) {
			f.words = append(f.words, command.Args[i+1])
		}
		if name != "require-header" && !urlWithUser.MatchString(f.words[len(f.words)-1]) {
			all = append(all, f)
		}
	}
	return all
}

var urlWithUser = regexp.MustCompile(`://[^/]*@`)

// ownCommand is a command of ours in a text, with its arguments: up to a quotation mark, or a comma or semicolon at the
// end of a word.
var ownCommand = regexp.MustCompile(programName + ` ([a-z-]+)\b((?:'[^'\n]*'|[^'",;\n]|[,;][^\s])*)`)

// withTyped adds the settings that the user typed to our commands in text. With other settings, such a command
// would find another proxy or another store.
func (p *program) withTyped(text string) string {
	return ownCommand.ReplaceAllStringFunc(text, func(found string) string {
		m := ownCommand.FindStringSubmatch(found)
		command, arguments := m[1], m[2]
		var words []string
		for _, f := range p.typed {
			given := regexp.MustCompile(`--(?:help|` + f.name + `)(?:[= ]|$)`) // --help needs no settings
			if slices.Contains(f.commands, command) && !given.MatchString(arguments) {
				words = append(words, f.words...)
			}
		}
		if len(words) == 0 {
			return found
		}
		return programName + " " + command + " " + problem.Quote(words...) + arguments
	})
}

type helpCommand struct {
	Command string `arg:"" optional:"" placeholder:"COMMAND" help:"Show the flags of this command."`
	Man     bool   `default:"false" help:"Print the manual page, for man -l."`
}

// Run prints what --help prints, or the manual page.
func (c *helpCommand) Run(p *program, k *kong.Context) error {
	if c.Man && c.Command != "" {
		return withStatus(problem.Mistake("the manual page is about all commands, not "+problem.Quote(c.Command)+" alone",
			"run: "+programName+" help --man, or: "+programName+" help "+problem.Quote(c.Command)), exitUsage)
	}
	if c.Man {
		return writeManual(p.Stdout, k.Model, buildVersion(p.Version))
	}
	args := []string{"--help"}
	if c.Command != "" {
		if err := checkCommand(k.Model, c.Command, func(name string) []string { return []string{"help", name} }); err != nil {
			return err
		}
		args = []string{c.Command, "--help"}
	}
	// --help prints even if a run would refuse the other settings.
	if _, err := k.Kong.Parse(args); notWritten(err) {
		return err
	}
	return nil
}

// writeManual writes the manual page, in the man macros. It lists the settings once: they are the flags of serve.
// For other commands it lists only the flags that are not settings.
func writeManual(w io.Writer, app *kong.Application, version string) error {
	serve := serveOf(app)
	var text strings.Builder
	fmt.Fprintf(&text, ".TH PANDADOC-AUTH-PROXY 1 \"\" \"%s %s\" \"User Commands\"\n", programName, version)
	fmt.Fprintf(&text, ".SH NAME\n%s \\- authenticate HTTP requests to the PandaDoc API\n", roff(programName))
	fmt.Fprintf(&text, ".SH SYNOPSIS\n.B %s\n.RI [ COMMAND ]\n.RI [ FLAGS ]\n", roff(programName))
	fmt.Fprintf(&text, ".SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(description))
	for _, command := range app.Children {
		fmt.Fprintf(&text, ".SS %s\n%s\n", roff(synopsis(command)), roff(command.Help))
		if command == serve {
			text.WriteString(".PP\nIts flags are the settings below.\n")
			continue
		}
		if command.Detail != "" {
			fmt.Fprintf(&text, ".PP\n%s\n", roff(command.Detail))
		}
		for _, flag := range command.Flags {
			if !hasFlag(serve, "--"+flag.Name) {
				writeFlag(&text, flag)
			}
		}
	}
	text.WriteString(".SH SETTINGS\n" + roff(secretsHelp) + "\n")
	for _, flag := range serve.Flags {
		if flag.Name != "help" {
			writeFlag(&text, flag)
		}
	}
	fmt.Fprintf(&text, ".SH EXIT STATUS\n%s\n.SH EXAMPLES\n.nf\n%s\n.fi\n", roff(strings.TrimPrefix(exitHelp, "Exit status: ")), roff(examples))
	_, err := io.WriteString(w, text.String())
	return err
}

func synopsis(command *kong.Node) string {
	words := []string{command.Name}
	for _, arg := range command.Positional {
		words = append(words, arg.Summary())
	}
	return strings.Join(words, " ")
}

func writeFlag(text *strings.Builder, flag *kong.Flag) {
	fmt.Fprintf(text, ".TP\n.B %s\n%s\n", roff(flag.Summary()), roff(helpWithDefault(flag.Value)))
}

// roff escapes text for a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	return regexp.MustCompile(`(?m)^[.']`).ReplaceAllString(text, `\&$0`)
}

// versionFlag prints the version. kong's own flag is satisfied if nobody could read it.
type versionFlag bool

// BeforeReset implements kong's hook: the other flags do not matter.
func (versionFlag) BeforeReset(app *kong.Kong, p *program) error {
	defer app.Exit(exitOK)
	return new(versionCommand).Run(p)
}

type versionCommand struct{}

// Run prints one line on standard output.
func (*versionCommand) Run(p *program) error {
	_, err := fmt.Fprintf(p.Stdout, "%s %s (%s)\n", programName, buildVersion(p.Version), runtime.Version())
	return err
}

// buildVersion returns the version of a release. If there is none, it returns what the Go toolchain put into
// the binary: the version of the module or, in a build from a checkout, the commit.
func buildVersion(release string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(release, "unknown")
	}
	if v := cmp.Or(release, info.Main.Version); v != "" && v != "(devel)" {
		return v
	}
	v := "devel"
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if commit := settings["vcs.revision"]; commit != "" {
		v += "-" + commit[:min(12, len(commit))]
	}
	if settings["vcs.modified"] == "true" {
		v += "-dirty"
	}
	return v
}
