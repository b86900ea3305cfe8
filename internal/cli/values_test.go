package cli

import (
	"testing"
	"time"
)

func TestDurationKeepsWhatItCannotRead(t *testing.T) {
	for _, row := range []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"30s", 30 * time.Second, true},
		{"0s", 0, true},
		{"1h30m", 90 * time.Minute, true},
		{"30", 0, false},
		{"", 0, false},
		{"-1s", -time.Second, false},
		{"1 s", 0, false},
	} {
		var d duration
		if err := d.UnmarshalText([]byte(row.text)); err != nil {
			t.Errorf("%q: got error %v: kong would stop there", row.text, err)
		}
		check(t, row.text, d.Duration, row.want)
		check(t, row.text+" is right", d.check() == nil, row.ok)
	}
}

func TestSizeUnits(t *testing.T) {
	for _, row := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"500000", 500000, true},
		{"64KiB", 64 << 10, true},
		{"64 KiB", 64 << 10, true},
		{"128MiB", 128 << 20, true},
		{"1GiB", 1 << 30, true},
		{"1gib", 1 << 30, true},
		{"5kB", 5000, true},
		{"2MB", 2_000_000, true},
		{"7B", 7, true},
		{"", 0, false},
		{"KiB", 0, false},
		{"-1KiB", 0, false},
		{"1.5MiB", 0, false},
		{"1TiB", 0, false},
		{"9999999999GiB", 0, false},
		{"1KiBKiB", 0, false},
	} {
		var s size
		if err := s.UnmarshalText([]byte(row.text)); err != nil {
			t.Errorf("%q: got error %v: kong would stop there", row.text, err)
		}
		check(t, row.text, s.Bytes, row.want)
		check(t, row.text+" is right", s.check() == nil, row.ok)
	}
}

func TestSettingsAreReadAgain(t *testing.T) {
	// kong reads a default into a field before it reads the value: the mistake of the one must not stay
	// with the other.
	var d duration
	d.UnmarshalText([]byte("x"))
	d.UnmarshalText([]byte("1s"))
	check(t, "mistake", d.check(), nil)
	var n number
	n.UnmarshalText([]byte("x"))
	n.UnmarshalText([]byte("3"))
	check(t, "mistake", n.check(), nil)
	check(t, "value", n.N, 3)
}
