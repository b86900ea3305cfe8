package config

import (
	"path/filepath"
	"testing"
)

// PowerShell 5 and Notepad write text like this. The error was that the file is no list of settings.
func TestAFileInUTF16IsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write(t, path, "\xff\xfer\x00e\x00g\x00i\x00o\x00n\x00:\x00 \x00e\x00u\x00")
	_, err := serve(t, nil, "--config="+path)
	check(t, "errors", errorTexts(err), []string{path + ": not UTF-8 text"})
}
