package workspace

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// checkPDF reads a PDF as a reader does: from the end, through the cross-reference table.
func checkPDF(t *testing.T, file []byte, texts ...string) {
	t.Helper()
	if !bytes.HasPrefix(file, []byte("%PDF-1.4\n")) || !bytes.HasSuffix(file, []byte("%%EOF\n")) {
		t.Fatalf("not a PDF: %.20q … %q", file, file[max(0, len(file)-10):])
	}
	tail := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(file)
	if tail == nil {
		t.Fatal("no startxref")
	}
	start, err := strconv.Atoi(string(tail[1]))
	if err != nil || start >= len(file) {
		t.Fatalf("startxref: %q", tail[1])
	}
	table := file[start:]
	head := regexp.MustCompile(`^xref\n0 (\d+)\n`).FindSubmatch(table)
	if head == nil {
		t.Fatalf("no xref table at %d: %.20q", start, table)
	}
	count, _ := strconv.Atoi(string(head[1]))
	entries := table[len(head[0]):]
	for n := range count {
		entry := string(entries[n*20 : n*20+20])
		if n == 0 {
			if entry != "0000000000 65535 f \n" {
				t.Errorf("entry 0: got %q", entry)
			}
			continue
		}
		offset, err := strconv.Atoi(entry[:10])
		if err != nil || entry[10:] != " 00000 n \n" {
			t.Fatalf("entry %d: got %q", n, entry)
		}
		if want := fmt.Sprintf("%d 0 obj\n", n); !bytes.HasPrefix(file[offset:], []byte(want)) {
			t.Errorf("object %d: got %.20q at %d", n, file[offset:], offset)
		}
	}
	if !bytes.HasPrefix(entries[count*20:], []byte("trailer\n")) {
		t.Errorf("after the table: got %.20q", entries[count*20:])
	}
	stream := regexp.MustCompile(`(?s)<< /Length (\d+) >>\nstream\n(.*?)\nendstream`).FindSubmatch(file)
	if stream == nil {
		t.Fatal("no content stream")
	}
	if length, _ := strconv.Atoi(string(stream[1])); length != len(stream[2]) {
		t.Errorf("stream length: got %d, want %d", length, len(stream[2]))
	}
	for _, text := range texts {
		if !strings.Contains(string(stream[2]), "("+text+")") {
			t.Errorf("no text %q in %q", text, stream[2])
		}
	}
}

func TestMadePDFsAreValid(t *testing.T) {
	checkPDF(t, makePDF("Plain"), "Plain")
	checkPDF(t, makePDF(`With (brackets) \ and`, "lines", "more lines"), `With \(brackets\) \\ and`, "lines")
	checkPDF(t, makePDF("Grün 漢\nline"), `Gr\374n ??line`)
}
