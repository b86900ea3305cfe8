package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"pandadoc-auth-proxy/internal/problem"
)

// file is a YAML file with settings. All values are texts, so that users can write 30s, 64KiB and true without
// thinking about YAML's types.
type file struct {
	path    string
	entries map[string]entry
	keys    []string                // in the order of the file
	named   map[string][]namedEntry // by the setting above them
	errs    []error
}

// entry is the value of one key in the file.
type entry struct {
	values []string
	list   bool   // written as a list
	where  string // "FILE:LINE: KEY"
	err    error
}

// namedEntry is one entry below "accounts:" or "client-keys:".
type namedEntry struct {
	name  string
	where string
	keys  map[string]entry
}

const (
	accountsKey   = "accounts"
	clientKeysKey = "client-keys"
)

// namedKeys are the settings in the file that contain names, with the keys that are allowed below a name.
var namedKeys = map[string]struct {
	keys []string
	of   string // what a name means
	try  string // an example of a key below a name
}{
	accountsKey: {
		[]string{"refresh-token", "refresh-token-file", "access-token", "access-token-file", "api-key", "api-key-file"},
		"account", "refresh-token-file: FILE",
	},
	clientKeysKey: {
		[]string{"key", "key-file", "account"},
		"client key", "key-file: FILE",
	},
}

// readSettings reads the configuration file that source, a flag or a variable, names. If it cannot be read, the result
// is empty.
func readSettings(source, path string) (*file, error) {
	data, err := readFile(path, "settings", maxFile)
	if err != nil {
		return &file{}, problem.WithHint(fmt.Errorf("%s: %w", source, err), cmp.Or(problem.HintOf(err), "name a file with settings"))
	}
	if bytes.IndexByte(data, 0) >= 0 { // as in UTF-16
		return &file{}, problem.Mistake(path+": not UTF-8 text", "save the file as UTF-8")
	}
	r := &file{path: path, entries: map[string]entry{}, named: map[string][]namedEntry{}}
	tree, err := parser.ParseBytes(plainYAML(data), 0)
	if err != nil {
		return &file{}, r.syntaxError(err)
	}
	return r, r.readDocuments(tree.Docs)
}

// plainYAML corrects correct settings that are not valid YAML: it removes the byte order mark that some editors
// write, and quotes a store whose name ends with a colon, as in "store: memory:".
func plainYAML(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return regexp.MustCompile(`(?m)^([\w-]+:[ \t]+)([a-z]+:)([ \t]*(?:#.*)?\r?)$`).ReplaceAll(data, []byte(`$1"$2"$3`))
}

// syntaxError returns an error with the place and the kind. The parser's own message quotes the lines around
// it, which may contain secrets.
func (f *file) syntaxError(err error) error {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		return problem.Mistake(f.path+": not valid YAML", "check the indentation, and save the file as UTF-8")
	}
	line := syntax.GetToken().Position.Line
	return problem.Mistake(fmt.Sprintf("%s:%d: not valid YAML: %s", f.path, line, syntax.GetMessage()), "check this line and its indentation")
}

func (f *file) readDocuments(docs []*ast.DocumentNode) error {
	docs = slices.DeleteFunc(slices.Clone(docs), func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) == 0:
		return nil
	case len(docs) > 1:
		return problem.Mistake(f.path+": more than one YAML document", "keep only one document, and remove the lines with ---")
	}
	entries, ok := mapping(docs[0].Body)
	if !ok {
		return problem.Mistake(f.path+": not a list of settings", "write one setting per line, like listen: localhost:8080")
	}
	for _, e := range entries {
		key := keyOf(e)
		f.keys = append(f.keys, key)
		f.entries[key] = f.read(key, e)
		if _, named := namedKeys[key]; named {
			f.readNamed(key, e)
		}
	}
	return nil
}

func (f *file) readNamed(setting string, node *ast.MappingValueNode) {
	is := namedKeys[setting]
	names, ok := mapping(node.Value)
	if !ok || len(names) == 0 { // no client keys at all would let everybody in
		f.errs = append(f.errs, problem.Mistake(f.at(setting, node)+": "+is.of+" names are expected below it", "write NAME: below it, indented, and "+is.try+" below that"))
		return
	}
	for _, n := range names {
		e := namedEntry{name: keyOf(n), where: f.at(setting+"."+keyOf(n), n), keys: map[string]entry{}}
		settings, ok := mapping(n.Value)
		if !ok && n.Value.Type() != ast.NullType {
			f.errs = append(f.errs, problem.Mistake(e.where+": settings are expected below it", "write "+is.try+" below it, indented"))
		}
		for _, s := range settings {
			key := keyOf(s)
			one := f.read(e.name+"."+key, s)
			switch {
			case !slices.Contains(is.keys, key):
				f.errs = append(f.errs, unknownName(one.where, key, is.keys, "use one of "+strings.Join(is.keys, ", ")))
			case one.list:
				f.errs = append(f.errs, problem.Mistake(one.where+": one value is expected, not a list", "write "+key+": VALUE"))
			case one.err != nil:
				f.errs = append(f.errs, one.err)
			default:
				e.keys[key] = one
			}
		}
		f.named[setting] = append(f.named[setting], e)
	}
}

// unknownName returns an error whose fix is the known name that was probably meant, or else the given one.
func unknownName(where, key string, known []string, fix string) error {
	if name, ok := Nearest(settingOf(key), known); ok {
		fix = "write " + name + ":"
	}
	return problem.Mistake(where+": unknown name", fix)
}

func (f *file) at(key string, node *ast.MappingValueNode) string {
	return fmt.Sprintf("%s:%d: %s", f.path, node.Key.GetToken().Position.Line, key)
}

// read reads a scalar or a list of scalars as text.
func (f *file) read(key string, node *ast.MappingValueNode) entry {
	e := entry{where: f.at(key, node)}
	nodes := []ast.Node{node.Value}
	if list, ok := node.Value.(*ast.SequenceNode); ok {
		nodes, e.list = list.Values, true
	}
	for _, n := range nodes {
		text, ok := scalar(n)
		if !ok {
			e.err = problem.Mistake(e.where+": a plain value is expected", "write it on the same line, like listen: localhost:8080")
			return e
		}
		e.values = append(e.values, text)
	}
	return e
}

// scalar returns the text of a node as the user wrote it, without quotes.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// mapping returns the entries of a mapping. In the parser, a mapping with a single entry has another type.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func keyOf(n *ast.MappingValueNode) string { return n.Key.GetToken().Value }

// where returns the place of a key, or "".
func (f *file) where(key string) string { return f.entries[key].where }

// checkKeys returns an error for every key that is not exactly one of names, with the right name if it can be
// guessed.
func (f *file) checkKeys(names []string) []error {
	errs := slices.Clone(f.errs)
	for _, key := range f.keys {
		_, named := namedKeys[key]
		switch e := f.entries[key]; {
		case named || slices.Contains(names, key):
		case settingOf(key) == "config":
			errs = append(errs, problem.Mistake(e.where+": a configuration file cannot name another one", "remove the line"))
		default:
			errs = append(errs, unknownName(e.where, key, append(names, accountsKey, clientKeysKey),
				"\""+problem.Program+" serve --help\" lists the names; leave out the leading dashes"))
		}
	}
	return errs
}
