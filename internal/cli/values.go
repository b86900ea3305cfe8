package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/problem"
)

// The types of settings keep a text that they cannot read instead of refusing it: kong stops at the
// first error, and a person who mends a configuration wants to see all of them.

// checker is a setting that may hold a text it could not read.
type checker interface {
	// check returns what is wrong with the text, and nil if nothing is.
	check() error
}

var (
	_ checker = (*duration)(nil)
	_ checker = (*size)(nil)
	_ checker = (*number)(nil)
	_ checker = (*toggle)(nil)
	_ checker = (*seed)(nil)
)

// duration is a span of time such as 30s, 5m or 24h. It is never negative.
type duration struct {
	time.Duration
	err error
}

func (d *duration) UnmarshalText(text []byte) error {
	*d = duration{}
	v, err := time.ParseDuration(string(text))
	switch {
	case err != nil:
		d.err = problem.Mistake(fmt.Sprintf("%q is not a duration", text), "write it with a unit, like 500ms, 30s, 5m or 24h")
	case v < 0:
		d.err = problem.Mistake(fmt.Sprintf("%q is negative", text), "give 0s or more")
	}
	d.Duration = v
	return nil
}

func (d *duration) check() error { return d.err }

// size is a number of bytes such as 64KiB.
type size struct {
	Bytes int64
	err   error
}

func (s *size) UnmarshalText(text []byte) error {
	*s = size{}
	v, err := parseSize(string(text))
	if err != nil {
		s.err = problem.Mistake(fmt.Sprintf("%q is not a size", text), "write it like 64KiB, 128MiB, 1GiB or 500000")
	}
	s.Bytes = v
	return nil
}

func (s *size) check() error { return s.err }

// parseSize reads a whole number with an optional unit. KB, MB and GB are powers of a thousand, as
// everywhere outside of memory chips.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "BKMGikmgb ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("not a whole number of bytes")
	}
	units := map[string]int64{
		"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9,
	}
	unit, ok := units[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	if !ok || n > math.MaxInt64/unit {
		return 0, errors.New("unknown unit, or too large")
	}
	return n * unit, nil
}

// number is a whole number of at least one.
type number struct {
	N   int
	err error
}

func (n *number) UnmarshalText(text []byte) error {
	*n = number{}
	v, err := strconv.Atoi(string(text))
	if err != nil || v < 1 {
		n.err = problem.Mistake(fmt.Sprintf("%q is not a whole number of at least 1", text), "write it in digits, like 1024")
	}
	n.N = v
	return nil
}

func (n *number) check() error { return n.err }

// toggle is a flag that needs no value on the command line, and true or false elsewhere.
type toggle struct {
	On  bool
	err error
}

// IsBool tells kong that --name alone is enough.
func (t *toggle) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (t *toggle) Decode(ctx *kong.DecodeContext) error {
	*t = toggle{On: true}
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text := fmt.Sprint(ctx.Scan.Pop().Value)
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
	case "false", "no", "off", "0":
		t.On = false
	default:
		t.err = problem.Mistake(fmt.Sprintf("%q is neither true nor false", text), "write true or false")
	}
	return nil
}

func (t *toggle) check() error { return t.err }

// seed is a number that repeats a run of the emulator. Zero means a new one.
type seed struct {
	N   uint64
	err error
}

func (s *seed) UnmarshalText(text []byte) error {
	*s = seed{}
	v, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		s.err = problem.Mistake(fmt.Sprintf("%q is not a seed", text), "give the number that an earlier run printed")
	}
	s.N = v
	return nil
}

func (s *seed) check() error { return s.err }
