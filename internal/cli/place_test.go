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
