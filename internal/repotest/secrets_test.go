package repotest

import (
	"fmt"
	"go/ast"
	"testing"
)

// reveals lists the files in which a secret becomes a plain string, with the reason.
var reveals = map[string]string{
	"internal/admin/key.go":       "the admin key is written to its file",
	"tokens/tokens.go":            "the Authorization header is what a token is for; secrets compare and hash themselves",
	"tokens/codec.go":             "the stored form, which only stores ask for, in clear or encrypted",
	"tokens/kubestore/api.go":     "the token of the service account, which goes to the API server",
	"tokens/redisstore/target.go": "the password of Redis, which goes to Redis",
	"tokens/endpoint.go":          "the form that goes to the token endpoint; a new token must fit into a header",
	"internal/config/secrets.go":  "the client id, which is in every authorization URL anyway; looks for secrets in texts, to take them out",
	"internal/config/rotation.go": "the length of a client key, which must be too long to be guessed",
	"internal/config/config.go":   "the lengths of client id and secret, which get exchanged",
}

func revealed(s source) (findings []string) {
	if s.isTest() || reveals[s.path] != "" {
		return nil
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reveal" {
			findings = append(findings, fmt.Sprintf("%s: reveals a secret", s.at(n)))
		}
		return true
	})
	return findings
}

func TestSecrets(t *testing.T) {
	check(t, rule{
		"secrets are revealed in few places", "every other place could print one; if there is a good reason, give it in this list",
		each(revealed),
		"-- proxy/x.go --\npackage proxy\nfunc f(s interface{ Reveal() string }) string { return s.Reveal() }\n",
		"-- tokens/tokens.go --\npackage tokens\nfunc f(s Secret) string { return s.Reveal() }\n",
	})

	// A reason for a file that is gone would allow whatever has that name next.
	all := load(t)
	for path := range reveals {
		used := false
		for _, s := range all {
			if s.path == path {
				used = len(revealed(source{"elsewhere.go", s.text, s.file, s.fset})) > 0
			}
		}
		if !used {
			t.Errorf("%s reveals no secret any more: take it from the list", path)
		}
	}
}
