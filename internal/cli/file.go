package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configFile is a YAML file with settings, as texts: the file must be able to say "30s" and 64KiB and
// true without caring how YAML types them.
type configFile struct {
	path     string
	entries  map[string]fileEntry
	keys     []string // in the order of the file
	accounts []fileAccount
	errs     []error
}

// fileEntry is what the file says for one key.
type fileEntry struct {
	values []string
	list   bool   // written as a list
	where  string // "FILE:LINE: KEY"
	err    error
}

// fileAccount is one entry below "accounts:".
type fileAccount struct {
	name  string
	where string
	keys  map[string]fileEntry
}

const accountsKey = "accounts"

// accountKeys are what can be said of an account in the file.
var accountKeys = [...]string{
	"refresh-token", "refresh-token-file", "access-token", "access-token-file", "api-key", "api-key-file",
}

func readConfigFile(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, withHint(err, "check the path given with --config or PANDADOC_CONFIG")
	}
	file := &configFile{path: path, entries: map[string]fileEntry{}}
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
		return mistake(f.path+": not valid YAML", "check the indentation")
	}
	line := syntax.GetToken().Position.Line
	return mistake(fmt.Sprintf("%s:%d: not valid YAML: %s", f.path, line, syntax.GetMessage()), "check this line and its indentation")
}

func (f *configFile) readDocuments(docs []*ast.DocumentNode) error {
	docs = slices.DeleteFunc(slices.Clone(docs), func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch {
	case len(docs) == 0:
		return nil
	case len(docs) > 1:
		return mistake(f.path+": more than one YAML document", "keep one, without --- in between")
	}
	entries, ok := mapping(docs[0].Body)
	if !ok {
		return mistake(f.path+": not a list of settings", "write one setting a line, like listen: localhost:8080")
	}
	for _, e := range entries {
		key := keyOf(e)
		f.keys = append(f.keys, key)
		if key == accountsKey {
			f.readAccounts(e)
			continue
		}
		f.entries[key] = f.entry(key, e)
	}
	return nil
}

func (f *configFile) readAccounts(node *ast.MappingValueNode) {
	accounts, ok := mapping(node.Value)
	if !ok {
		f.errs = append(f.errs, mistake(f.where(accountsKey, node)+": names of accounts are expected", "write accounts:, below it indented NAME:, below that indented refresh-token-file: FILE"))
		return
	}
	for _, a := range accounts {
		account := fileAccount{name: keyOf(a), keys: map[string]fileEntry{}}
		account.where = f.where(accountsKey+"."+account.name, a)
		keys, ok := mapping(a.Value)
		if _, empty := a.Value.(*ast.NullNode); !ok && !empty {
			f.errs = append(f.errs, mistake(account.where+": settings of the account are expected", "write below it, indented, refresh-token-file: FILE"))
			continue
		}
		for _, k := range keys {
			key := keyOf(k)
			entry := f.entry(account.name+"."+key, k)
			if !slices.Contains(accountKeys[:], key) {
				entry.err = mistake(entry.where+": unknown name", "an account knows refresh-token, access-token and api-key, each also with -file")
			}
			if entry.err != nil {
				f.errs = append(f.errs, entry.err)
				continue
			}
			account.keys[key] = entry
		}
		f.accounts = append(f.accounts, account)
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
			e.err = mistake(e.where+": a plain value is expected", "write it on the same line, like listen: localhost:8080")
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
		if key != accountsKey && (key == "config" || !known[envName(key)]) {
			errs = append(errs, mistake(f.entries[key].where+": unknown name", "\"pandadoc-auth-proxy --help\" lists the names, without the dashes in front"))
		}
	}
	return errors.Join(errs...)
}
