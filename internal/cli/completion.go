package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/problem"
)

type completionCommand struct {
	Shell string `arg:"" placeholder:"SHELL" help:"bash, zsh or fish."`
}

// Help implements kong.HelpProvider.
func (*completionCommand) Help() string {
	return `Save the output where your shell looks for completions. For bash, zsh and fish, for example:

  pandadoc-auth-proxy completion bash >~/.local/share/bash-completion/completions/pandadoc-auth-proxy
  pandadoc-auth-proxy completion zsh >"${fpath[1]}/_pandadoc-auth-proxy"
  pandadoc-auth-proxy completion fish >~/.config/fish/completions/pandadoc-auth-proxy.fish`
}

// Run prints the script for a shell. The script is generated from the structure that parses the command line.
func (c *completionCommand) Run(p *program, k *kong.Context) error {
	var script string
	switch c.Shell {
	case "bash":
		script = bashCompletion(k.Model)
	case "zsh":
		script = zshCompletion(k.Model)
	case "fish":
		script = fishCompletion(k.Model)
	default:
		return withStatus(problem.Mistake(fmt.Sprintf("there is no completion for %q", c.Shell), "write bash, zsh or fish"), exitUsage)
	}
	_, err := io.WriteString(p.Stdout, script)
	return err
}

// takesFile reports whether the value of a flag is the name of a file or a directory.
func takesFile(flag *kong.Flag) bool {
	return flag.PlaceHolder == "FILE" || flag.PlaceHolder == "DIR"
}

// choices returns the values that a flag can have, if there are only a few.
func choices(flag *kong.Flag) []string {
	if !strings.Contains(flag.PlaceHolder, "|") || strings.ToLower(flag.PlaceHolder) != flag.PlaceHolder { // PATH|none is any path
		return nil
	}
	return strings.Split(flag.PlaceHolder, "|")
}

func bashCompletion(app *kong.Application) string {
	var cases, values strings.Builder
	var files, others []string
	seen := map[string]bool{}
	for _, command := range app.Children {
		var flags []string
		for _, flag := range command.Flags {
			name := "--" + flag.Name
			flags = append(flags, name)
			switch {
			case flag.IsBool() || seen[name]:
				continue
			case takesFile(flag):
				files = append(files, name)
			case choices(flag) != nil:
				fmt.Fprintf(&values, "\t%s) COMPREPLY=($(compgen -W '%s' -- \"$current\")); return ;;\n", name, strings.Join(choices(flag), " "))
			default:
				others = append(others, name)
			}
			seen[name] = true
		}
		fmt.Fprintf(&cases, "\t%s) words='%s' ;;\n", command.Name, strings.Join(flags, " "))
	}
	return fmt.Sprintf(`# bash completion of %[1]s
_pandadoc_auth_proxy() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=serve words
	if [[ $current == = ]]; then # bash takes it for a word
		current=
	elif [[ $previous == = ]]; then
		previous=${COMP_WORDS[COMP_CWORD-2]}
	fi
	if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then
		command=${COMP_WORDS[1]}
	fi
	case $previous in
	%[4]s) COMPREPLY=(); return ;; # -o default completes files, and quotes their names
%[5]s	%[6]s) COMPREPLY=(); compopt +o default; return ;; # only the user knows the value
	completion) words='bash zsh fish'; COMPREPLY=($(compgen -W "$words" -- "$current")); return ;;
	help) words='%[2]s'; COMPREPLY=($(compgen -W "$words" -- "$current")); return ;;
	esac
	if [[ $command == run && $current != -* ]]; then
		COMPREPLY=($(compgen -c -- "$current"))
		return
	fi
	case $command in
%[3]s	esac
	if ((COMP_CWORD == 1)); then
		words='%[2]s '$words
	fi
	COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _pandadoc_auth_proxy %[1]s
`, programName, strings.Join(commandNames(app), " "), cases.String(), strings.Join(files, "|"), values.String(), strings.Join(others, "|"))
}

// oneSentence returns the first sentence of a help text, for shells that show it beside a word.
func oneSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(first, ".")
}

func zshCompletion(app *kong.Application) string {
	quote := func(text string) string {
		return strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
	}
	arguments := map[string]string{ // of a command, besides flags
		"completion": "1:shell:(bash zsh fish)",
		"help":       "1:command:(" + strings.Join(commandNames(app), " ") + ")",
		"run":        "*:::program:_normal",
	}
	var commands, cases strings.Builder
	for _, command := range app.Children {
		fmt.Fprintf(&commands, "\t\t'%s:%s'\n", command.Name, quote(oneSentence(command.Help)))
		fmt.Fprintf(&cases, "\t\t%s)\n\t\t\t_arguments -S", command.Name)
		for _, flag := range command.Flags {
			equals, value := "=", ""
			switch {
			case takesFile(flag):
				value = ":" + strings.ToLower(flag.PlaceHolder) + ":_files"
			case choices(flag) != nil:
				value = ":value:(" + strings.Join(choices(flag), " ") + ")"
			case !flag.IsBool():
				value = ":" + quote(strings.ToLower(flag.PlaceHolder)) + ":"
			default:
				equals = ""
			}
			fmt.Fprintf(&cases, " \\\n\t\t\t\t'--%s%s[%s]%s'", flag.Name, equals, quote(oneSentence(flag.Help)), value)
		}
		if words := arguments[command.Name]; words != "" {
			fmt.Fprintf(&cases, " \\\n\t\t\t\t'%s'", words)
		}
		cases.WriteString("\n\t\t\t;;\n")
	}
	return fmt.Sprintf(`#compdef %[1]s
# zsh completion of %[1]s
_pandadoc_auth_proxy() {
	local -a commands
	commands=(
%[2]s	)
	if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
		_describe command commands
		return
	fi
	local command=serve
	if [[ $words[2] != -* ]]; then
		command=$words[2]
		shift words
		((CURRENT--))
	fi
	case $command in
%[3]s	esac
}
_pandadoc_auth_proxy "$@"
`, programName, commands.String(), cases.String())
}

func fishCompletion(app *kong.Application) string {
	quote := func(text string) string { return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) }
	var out strings.Builder
	fmt.Fprintf(&out, "# fish completion of %s\n", programName)
	for _, command := range app.Children {
		fmt.Fprintf(&out, "complete -c %s -f -n __fish_use_subcommand -a %s -d '%s'\n", programName, command.Name, quote(oneSentence(command.Help)))
		for _, flag := range command.Flags {
			condition := "__fish_seen_subcommand_from " + command.Name
			if command.Name == "serve" {
				condition = "__fish_use_subcommand; or " + condition
			}
			value := " -x"
			switch {
			case flag.IsBool():
				value = ""
			case takesFile(flag):
				value = " -r -F"
			case choices(flag) != nil:
				value += fmt.Sprintf(" -a '%s'", strings.Join(choices(flag), " "))
			}
			fmt.Fprintf(&out, "complete -c %s -n '%s' -l %s%s -d '%s'\n", programName, condition, flag.Name, value, quote(oneSentence(flag.Help)))
		}
	}
	fmt.Fprintf(&out, "complete -c %s -f -n '__fish_seen_subcommand_from run' -a '(__fish_complete_subcommand --fcs-skip=2)'\n", programName)
	fmt.Fprintf(&out, "complete -c %s -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n", programName)
	fmt.Fprintf(&out, "complete -c %s -f -n '__fish_seen_subcommand_from help' -a '%s'\n", programName, strings.Join(commandNames(app), " "))
	return out.String()
}
