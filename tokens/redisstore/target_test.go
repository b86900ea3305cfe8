package redisstore_test

import (
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens/redisstore"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, url, want string }{
		{"a host", "redis://host", ""},
		{"everything", "rediss://user:pass@host:6380/3?prefix=a-b&wait=1", ""},
		{"IPv6", "redis://[::1]:6379", ""},
		{"sentinel", "redis://one:26379/0?master_name=m&addr=two:26379&sentinel_auth=true", ""},
		{"cluster", "redis://one:6379?cluster=true&addr=two:6379", ""},
		{"no host", "redis:", "has no host"},
		{"no host but a database", "redis:///0", "has no host"},
		{"a password with @ and /", "redis://user:hunter2@/x@host/0", "has no host"},
		{"a percent sign in the password", "redis://user:hunter2%zz@host", "cannot be read"},
		{"a port that does not exist", "redis://host:99999", "no valid host and port"},
		{"a list of addresses", "redis://one:1,two:2", "addr=HOST:PORT"},
		{"an address with a port that does not exist", "redis://host?cluster=true&addr=other:0", "not a valid value for addr"},
		{"a word for a database", "redis://host/prod", "number of a Redis database"},
		{"an unknown parameter", "redis://host?timeout=3s", `"timeout" that does not exist`},
		{"a password in the query", "redis://host?password=hunter2", "password in its query"},
		{"an empty prefix", "redis://host?prefix=", "not a valid value for prefix"},
		{"a prefix with braces", "redis://host?prefix={a}", "not a valid value for prefix"},
		{"a negative wait", "redis://host?wait=-1", "not a valid value for wait"},
		{"a parameter twice", "redis://host?wait=1&wait=2", "twice"},
		{"two hosts", "redis://host?addr=other:6379", "several addresses"},
		{"an address without port", "redis://host?cluster=true&addr=other", "not a valid value for addr"},
		{"sentinel and cluster", "redis://host?cluster=true&master_name=m", "not both"},
		{"a database of a cluster", "redis://host/1?cluster=true", "only database 0"},
		{"sentinel_auth alone", "redis://host?sentinel_auth=true", "has no effect"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := redisstore.CheckURL(row.url)
			switch {
			case row.want == "" && err == nil:
			case row.want == "" || err == nil:
				t.Errorf("got %v, want %q", err, row.want)
			default:
				all := err.Error() + ": " + problem.HintOf(err)
				if !strings.Contains(all, row.want) || strings.Contains(all, "hunter2") || problem.HintOf(err) == "" {
					t.Errorf("got %q, want %q, a hint and no password", all, row.want)
				}
			}
		})
	}
}
