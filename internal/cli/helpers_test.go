package cli

import (
	"reflect"
	"testing"

	"github.com/alecthomas/kong"
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
	for _, e := range leaves(err) {
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
