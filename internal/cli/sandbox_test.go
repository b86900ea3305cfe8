package cli

import (
	"strings"
	"testing"
)

// The first commands to paste did not work with a path that has spaces, and with client keys or a required header.
func TestTheSandboxPrintsCommandsThatWork(t *testing.T) {
	for _, row := range []struct {
		name, base, certificate string
		headers                 []string
		want                    string
	}{
		{"http", "http://127.0.0.1:1", "", nil, "curl http://127.0.0.1:1/public/v1/documents"},
		{"https", "https://127.0.0.1:1", "my dir/c.pem", nil, "curl --cacert 'my dir/c.pem' https://127.0.0.1:1/public/v1/documents"},
		{"unix", "unix:/my dir/s", "c.pem", nil, "curl --unix-socket '/my dir/s' http://localhost/public/v1/documents"},
		{"header", "http://127.0.0.1:1", "", []string{"X-Proxy-Key"}, "curl -H 'X-Proxy-Key: VALUE' http://127.0.0.1:1/public/v1/documents"},
	} {
		check(t, row.name, strings.Split(tryLines(row.base, row.certificate, row.headers), "\n")[3], "  "+row.want)
	}
}
