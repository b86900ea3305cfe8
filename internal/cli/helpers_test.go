package cli

import (
	"io"
	"reflect"
	"testing"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/problem"
)

// settingNames lists the variables in the environment that mean something.
func settingNames() []string {
	parser, err := kong.New(&commandLine{}, kong.Exit(func(int) {}))
	if err != nil {
		panic(err)
	}
	var names []string
	for name := range knownNames(parser.Model) {
		names = append(names, name)
	}
	for _, name := range secretNames {
		names = append(names, envName(name)+"_FILE")
	}
	return names
}

// errorTexts returns the errors that were joined, each as it is reported.
func errorTexts(err error) []string {
	var all []string
	for _, e := range problem.Each(err) {
		all = append(all, e.Error())
	}
	return all
}

// check fails unless got is want.
func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// parseServe reads a command line for serve as the program would.
func parseServe(t *testing.T, environ []string, args ...string) (*program, *serveCommand) {
	t.Helper()
	p := &program{Env: Env{Environ: environ, Stdout: io.Discard, Stderr: io.Discard}, layers: newLayers(environ)}
	var line commandLine
	parser, err := kong.New(&line, options(p, func(int) {})...)
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	p.check(command)
	return p, &line.Serve
}
