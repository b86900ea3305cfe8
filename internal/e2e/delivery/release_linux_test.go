package delivery

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// When root unpacked an archive in /tmp, the mode of /tmp became 0755, because the archive contained the directory
// ./ itself. The archive's modes, and so its bytes, depended on the umask of the builder.
func TestAnArchiveUnpacksIntoADirectoryOfItsOwn(t *testing.T) {
	need(t, "bash", "zip", "tar", "gzip")
	script, err := os.ReadFile(filepath.Join(top(t), "deploy/release"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "\narchive() {\n")
	function, _, found := strings.Cut(rest, "\n}\n")
	if !found {
		t.Fatal("deploy/release has no function archive")
	}
	packed := map[string][]byte{} // by system
	pack := func(umask, system string) map[string]fs.FileMode {
		dir := t.TempDir()
		run(t, dir, "bash", "-euc", "umask "+umask+"; archive() {\n"+function+"\n}\n"+
			`for f in README.md LICENSE CHANGELOG.md; do echo text >$f; done
			mkdir dist it; echo program >it/pandadoc-auth-proxy; chmod 700 it/pandadoc-auth-proxy
			export VERSION=1.2.3 SOURCE_DATE_EPOCH=1700000000; archive `+system+` amd64 "$PWD/it"`)
		names, err := filepath.Glob(filepath.Join(dir, "dist/*"))
		if err != nil || len(names) != 1 {
			t.Fatalf("got the archives %v (%v), want one", names, err)
		}
		data, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := packed[system]; ok && !bytes.Equal(before, data) {
			t.Errorf("%s: with the umask %s the archive has other bytes", system, umask)
		}
		packed[system] = data
		return entries(t, data)
	}
	for _, system := range []string{"linux", "windows"} {
		top := "pandadoc-auth-proxy_1.2.3_" + system + "_amd64/"
		for _, umask := range []string{"022", "077"} {
			all := pack(umask, system)
			for name, mode := range all {
				want := fs.FileMode(0o644)
				if strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/pandadoc-auth-proxy") {
					want = 0o755
				}
				if !strings.HasPrefix(name, top) || mode.Perm() != want {
					t.Errorf("%s, umask %s: got %s with the mode %v, want it below %s with %v", system, umask, name, mode.Perm(), top, want)
				}
			}
			if _, ok := all[top+"pandadoc-auth-proxy"]; !ok || len(all) < 4 {
				t.Errorf("%s: got only %v", system, all)
			}
		}
	}
}

// entries returns the names in a zip or tar.gz archive, with their modes.
func entries(t *testing.T, data []byte) map[string]fs.FileMode {
	t.Helper()
	all := map[string]fs.FileMode{}
	if z, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err == nil {
		for _, f := range z.File {
			all[f.Name] = f.Mode()
		}
		return all
	}
	plain, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = h.FileInfo().Mode()
	}
}
