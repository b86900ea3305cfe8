package config

import (
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
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
		{"-1s", 0, false},
		{"1 s", 0, false},
	} {
		got, err := readDuration(row.text)
		check(t, row.text+" is right", err == nil, row.ok)
		if row.ok {
			check(t, row.text, got, any(row.want))
		}
	}
}

func TestSizes(t *testing.T) {
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
		got, err := readSize(row.text)
		check(t, row.text+" is right", err == nil, row.ok)
		if row.ok {
			check(t, row.text, got, any(row.want))
		}
	}
}

// kong reads what the command line gives, and then the default into another place: the mistake of the one
// must not get lost with the other.
func TestAMistakeOutlivesTheDefault(t *testing.T) {
	_, err := serve(t, nil, "--drain-min=x", "--max-in-flight=0", "--replay-memory=y", "--read-only=maybe")
	check(t, "mistakes", errorTexts(err), []string{
		`--read-only: "maybe" is neither true nor false`, `--replay-memory: "y" is not a size`,
		`--max-in-flight: "0" is not a whole number of at least 1`, `--drain-min: "x" is not a duration`,
	})
}
