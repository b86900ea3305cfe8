package listen

import (
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Owner returns the user whose process listens on a. It asks the kernel and does not connect. ok is false if nobody
// listens there, or if the kernel's table cannot be read.
func Owner(a Address) (uid int, ok bool) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		lines, _ := os.ReadFile(table)
		for line := range strings.Lines(string(lines)) {
			if uid, ok := ownerIn(strings.Fields(line), a); ok {
				return uid, true
			}
		}
	}
	return 0, false
}

// ownerIn reads one line of the table: index, local address, remote address, state, four numbers, user.
func ownerIn(fields []string, a Address) (uid int, ok bool) {
	const listening = "0A"
	if len(fields) < 8 || fields[3] != listening {
		return 0, false
	}
	hexIP, hexPort, _ := strings.Cut(fields[1], ":")
	port, err := strconv.ParseUint(hexPort, 16, 16)
	if err != nil || uint16(port) != a.Port {
		return 0, false
	}
	raw, err := hex.DecodeString(hexIP)
	if err != nil || len(raw)%4 != 0 {
		return 0, false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word) // each word is in the order of the machine
	}
	ip, _ := netip.AddrFromSlice(raw)
	ip = ip.Unmap()
	number := strconv.Itoa(int(a.Port))
	at := Address{Host: ip.String(), Port: a.Port}
	if !at.Reaches(a.Host, number) && !a.Reaches(at.Host, number) {
		return 0, false
	}
	uid, err = strconv.Atoi(fields[7])
	return uid, err == nil
}
