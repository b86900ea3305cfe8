package config

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const envPrefix = "PANDADOC_"

// BaseURL is the variable that the command run sets for its program. It is no setting.
const BaseURL = envPrefix + "BASE_URL"

// envName returns the environment variable of a setting. A setting has one name as a flag and in the file; the
// variable is the only other name that is accepted.
func envName(setting string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// settingOf returns the setting that a name in another spelling probably means.
func settingOf(name string) string {
	name = strings.ToLower(strings.TrimLeft(strings.TrimPrefix(name, envPrefix), "-"))
	return strings.NewReplacer("_", "-", " ", "-").Replace(name)
}

// settingNames lists the names that are allowed in the file: the settings of serve and of the selected command,
// so that one file works for all commands, and the secrets that cannot be flags.
func settingNames(app *kong.Application, selected *kong.Node) []string {
	var names []string
	for _, node := range app.Children {
		if node.Name == "serve" || node == selected {
			names = append(names, flagNames(node)...)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "config" })
	return append(names, secretNames[:]...)
}

func flagNames(command *kong.Node) (names []string) {
	for _, flag := range command.Flags {
		if flag.Name != "help" {
			names = append(names, flag.Name)
		}
	}
	return names
}

// Variables lists the environment variables that any command uses: a variable may be meant for another command.
func Variables(app *kong.Application) []string {
	names := slices.Clone(secretNames[:])
	for _, node := range app.Children {
		names = append(names, flagNames(node)...)
	}
	var all []string
	for _, name := range names {
		all = append(all, envName(name))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Nearest returns the known name that a mistyped name probably means.
func Nearest(name string, known []string) (string, bool) {
	if slices.Contains(known, name) {
		return name, true
	}
	best, least := "", 1+len(name)/4 // so many letters may be wrong
	for _, k := range known {
		if d := distance(name, k); d <= least {
			best, least = k, d-1
		}
	}
	return best, best != ""
}

// distance returns how many letters must be inserted, removed or replaced to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
