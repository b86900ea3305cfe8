package cli

import "testing"

func TestConnectionsFitTheOpenFiles(t *testing.T) {
	for _, row := range []struct {
		wanted int
		files  uint64
		want   int
	}{{4096, 1 << 20, 4096}, {4096, 0, 4096}, {4096, 1024, 309}, {4096, 256, 53}, {4096, 100, 8}, {10, 256, 10}, {1 << 40, ^uint64(0), 1 << 40}} {
		check(t, "connections", fitConnections(row.wanted, row.files), row.want)
	}
}

func TestPlaces(t *testing.T) {
	for _, row := range []struct {
		text, account, address string
		ok                     bool
	}{
		{"localhost:1", "", "localhost:1", true},
		{"acme=127.0.0.1:1", "acme", "127.0.0.1:1", true},
		{"acme=unix:/run/a=b", "acme", "unix:/run/a=b", true},
		{"unix:/run/a=b", "", "unix:/run/a=b", true},
		{"=127.0.0.1:1", "", "", false},
		{"Acme=127.0.0.1:1", "", "", false},
		{"acme=", "", "", false},
	} {
		p, err := parsePlace(row.text)
		if !row.ok {
			check(t, row.text, err != nil, true)
			continue
		}
		check(t, row.text, err, nil)
		check(t, row.text, p.account+" "+p.String(), row.account+" "+row.address)
	}
}
