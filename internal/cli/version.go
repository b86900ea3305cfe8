package cli

import (
	"cmp"
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

// Run prints one line on standard output.
func (*versionCommand) Run(p *program) error {
	_, err := fmt.Fprintln(p.Stdout, versionLine(p.Version))
	return err
}

func versionLine(release string) string {
	v := buildVersion(release)
	return fmt.Sprintf("%s %s (%s)", programName, v.version, v.toolchain)
}

// version is what the binary knows about itself.
type version struct{ version, toolchain string }

// buildVersion returns the version of a release, or what the Go toolchain put into the binary: the module's
// version, or, of a build from a checkout, the commit.
func buildVersion(release string) version {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version{version: "unknown", toolchain: "unknown"}
	}
	v := version{version: cmp.Or(release, info.Main.Version), toolchain: info.GoVersion}
	if v.version != "" && v.version != "(devel)" {
		return v
	}
	v.version = "devel"
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if commit := settings["vcs.revision"]; commit != "" {
		v.version += "-" + commit[:min(12, len(commit))]
	}
	if settings["vcs.modified"] == "true" {
		v.version += "-dirty"
	}
	return v
}
