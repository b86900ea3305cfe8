package cli

import (
	"reflect"
	"testing"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/stores"
)

// variables lists the variables in the environment that mean something.
func variables() []string {
	parser, err := kong.New(&commandLine{}, append(config.NewReader(nil, stores.Known()).Options(), kong.Exit(func(int) {}))...)
	if err != nil {
		panic(err)
	}
	return config.Variables(parser.Model)
}

// check fails unless got is want.
func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// parseServe reads a command line for serve as the program would.
func parseServe(t *testing.T, environ []string, args ...string) *config.Config {
	t.Helper()
	r, line := config.NewReader(environ, stores.Known()), commandLine{}
	parser, err := kong.New(&line, options(&program{settings: r}, func(int) {})...)
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	r.Parsed(command)
	c, err := r.Serve(&line.Serve.Settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
