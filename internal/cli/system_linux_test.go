package cli

import (
	"slices"
	"testing"
)

// The loader writes addresses into parts of a position-independent program. Given back, these would be read from the
// file again, without the addresses.
func TestOnlyWhatIsAsInTheFileIsGivenBack(t *testing.T) {
	const smaps = `00400000-00fc3000 r-xp 00000000 fe:00 10019155                           /usr/bin/program
Size:              12044 kB
Rss:                6732 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
00fc3000-01b89000 r--p 00bc3000 fe:00 10019155                           /usr/bin/program
Anonymous:             8 kB
Swap:                  0 kB
01b89000-01b90000 r--p 00bc3000 fe:00 10019155                           /usr/bin/program
Anonymous:             0 kB
Swap:                  4 kB
01b90000-01c01000 rw-p 01789000 fe:00 10019155                           /usr/bin/program
Anonymous:             0 kB
Swap:                  0 kB
01c01000-01c02000 r--p 00000000 fe:00 10019156                           /usr/bin/program (deleted)
Anonymous:             0 kB
Swap:                  0 kB
7fda54000000-7fda54001000 r--p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
7fda55000000-7fda55001000 r--p 00000000 fe:00 10019155                   /usr/bin/program
Anonymous:             0 kB
Swap:                  0 kB
`
	got := untouched(smaps, "/usr/bin/program")
	if want := []mapping{{0x400000, 0xfc3000}, {0x7fda55000000, 0x7fda55001000}}; !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}
