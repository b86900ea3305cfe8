package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"pandadoc-auth-proxy/internal/problem"
)

// configFile is a YAML file with settings, as texts: the file must be able to say "30s" and 64KiB and
// true without caring how YAML types them.
type configFile struct {
	path    string
	entries map[string]fileEntry
	keys    []string                // in the order of the file
	named   map[string][]namedEntry // by the setting above them
	errs    []error
}

// fileEntry is what the file says for one key.
type fileEntry struct {
	values []string
	list   bool   // written as a list
	where  string // "FILE:LINE: KEY"
	err    error
}

// namedEntry is one entry below "accounts:" or "client-keys:".
type namedEntry struct {
	name  string
	where string
	keys  map[string]fileEntry
}

const (
	accountsKey   = "accounts"
	clientKeysKey = "client-keys"
)

// namedKeys are the settings of the file that hold names, and what can be said of each of these.
var namedKeys = map[string]struct {
	keys []string
	of   string // what a name stands for
	try  string // an example of what can be said
	all  string // what can be said, in words
}{
	accountsKey: {
		[]string{"refresh-token", "refresh-token-file", "access-token", "access-token-file", "api-key", "api-key-file"},
		"account", "refresh-token-file: FILE", "an account knows refresh-token, access-token and api-key, each also with -file",
	},
	clientKeysKey: {
		[]string{"key", "key-file", "account"},
		"client key", "key-file: FILE", "a client key knows key or key-file, and account",
	},
}

func readConfigFile(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, problem.WithHint(err, "check the path given with --config or PANDADOC_CONFIG")
	}
	file := &configFile{path: path, entries: map[string]fileEntry{}, named: map[string][]namedEntry{}}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, file.syntaxError(err)
	}
	return file, file.readDocuments(tree.Docs)
}

// syntaxError tells the place and the kind. The parser's own text quotes the lines around, which may
// hold secrets.
func (f *configFile) syntaxError(err error) error {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		return problem.Mistake(f.path+": not valid YAML", "check the indentation")
	}
	line := syntax.GetToken().Position.Line
	return problem.Mistake(fmt.Sprintf("%s:%d: not valid YAML: %s", f.path, line, syntax.GetMessage()), "check this line and its indentation")
}

func (f *configFile) readDocuments(docs []*ast.DocumentNode) error {
	docs = slices.DeleteFunc(slices.Clone(docs), func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) == 0:
		return nil
	case len(docs) > 1:
		return problem.Mistake(f.path+": more than one YAML document", "keep one, without --- in between")
	}
	entries, ok := mapping(docs[0].Body)
	if !ok {
		return problem.Mistake(f.path+": not a list of settings", "write one setting a line, like listen: localhost:8080")
	}
	for _, e := range entries {
		key := keyOf(e)
		f.keys = append(f.keys, key)
		if _, named := namedKeys[key]; named {
			f.readNamed(key, e)
			continue
		}
		f.entries[key] = f.entry(key, e)
	}
	return nil
}

func (f *configFile) readNamed(setting string, node *ast.MappingValueNode) {
	is := namedKeys[setting]
	names, ok := mapping(node.Value)
	if !ok {
		f.errs = append(f.errs, problem.Mistake(f.where(setting, node)+": a name for each "+is.of+" is expected", "write "+setting+":, below it indented NAME:, below that indented "+is.try))
		return
	}
	for _, n := range names {
		e := namedEntry{name: keyOf(n), keys: map[string]fileEntry{}}
		e.where = f.where(setting+"."+e.name, n)
		keys, ok := mapping(n.Value)
		if _, empty := n.Value.(*ast.NullNode); !ok && !empty {
			f.errs = append(f.errs, problem.Mistake(e.where+": settings of the "+is.of+" are expected", "write below it, indented, "+is.try))
			continue
		}
		for _, k := range keys {
			key := keyOf(k)
			entry := f.entry(e.name+"."+key, k)
			if !slices.Contains(is.keys, key) {
				entry.err = problem.Mistake(entry.where+": unknown name", is.all)
			}
			if entry.err != nil {
				f.errs = append(f.errs, entry.err)
				continue
			}
			e.keys[key] = entry
		}
		f.named[setting] = append(f.named[setting], e)
	}
}

func (f *configFile) where(key string, node *ast.MappingValueNode) string {
	return fmt.Sprintf("%s:%d: %s", f.path, node.Key.GetToken().Position.Line, key)
}

// entry reads a scalar or a list of scalars as text.
func (f *configFile) entry(key string, node *ast.MappingValueNode) fileEntry {
	e := fileEntry{where: f.where(key, node)}
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

// scalar returns the text of a node as it was written, without quotes.
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

// mapping returns the entries of a mapping; the parser gives one with a single entry another type.
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

// take returns what the file says for a key. It may be called on nil.
func (f *configFile) take(key string) (fileEntry, bool) {
	if f == nil {
		return fileEntry{}, false
	}
	e, ok := f.entries[key]
	return e, ok
}

// checkKeys reports every key that no command knows. It may be called on nil.
func (f *configFile) checkKeys(known map[string]bool) error {
	if f == nil {
		return nil
	}
	errs := slices.Clone(f.errs)
	for _, key := range f.keys {
		if _, named := namedKeys[key]; !named && (key == "config" || !known[envName(key)]) {
			errs = append(errs, problem.Mistake(f.entries[key].where+": unknown name", "\"pandadoc-auth-proxy --help\" lists the names, without the dashes in front"))
		}
	}
	return errors.Join(errs...)
}
