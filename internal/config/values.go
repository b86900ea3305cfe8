package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/problem"
)

// mappers convert the texts of settings for kong. They record a mistake and continue, because kong would stop
// at the first error, but the user wants to see all mistakes at once.
func (r *Reader) mappers() []kong.Option {
	return []kong.Option{
		kong.TypeMapper(reflect.TypeFor[time.Duration](), r.mapper(readDuration)),
		kong.NamedMapper("size", r.mapper(readSize)),
		kong.NamedMapper("seed", r.mapper(readSeed)),
		kong.KindMapper(reflect.Int, r.mapper(readCount)),
		kong.KindMapper(reflect.String, r.mapper(func(text string) (any, error) { return text, nil })),
		kong.KindMapper(reflect.Bool, toggle{r}),
	}
}

func (r *Reader) mapper(read func(text string) (any, error)) kong.Mapper {
	return kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("value", &text); err != nil {
			return err
		}
		value, err := read(text)
		switch {
		case text == "" && !ctx.Value.Tag.Has("empty"):
			r.mistakes[ctx.Value.Name] = problem.Mistake("the value is empty", "give a value, or leave the setting out")
		case err != nil:
			r.mistakes[ctx.Value.Name] = err
		default:
			target.Set(reflect.ValueOf(value).Convert(target.Type()))
		}
		return nil
	})
}

// readDuration reads a span of time such as 30s, 5m or 24h.
func readDuration(text string) (any, error) {
	v, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return nil, problem.Mistake(fmt.Sprintf("%q is not a duration", text), "write it with a unit, like 500ms, 30s, 5m or 24h")
	case v < 0:
		return nil, problem.Mistake(fmt.Sprintf("%q is negative", text), "give 0s or more")
	}
	return v, nil
}

// readSize reads a whole number of bytes with an optional unit, such as 64KiB. KB, MB and GB are powers of 1000; KiB, MiB
// and GiB are powers of 1024.
func readSize(text string) (any, error) {
	digits := strings.TrimRight(text, "BKMGikmgb ")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, known := map[string]int64{
		"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9,
	}[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	if err != nil || n < 0 || !known || n > math.MaxInt64/unit {
		return nil, problem.Mistake(fmt.Sprintf("%q is not a size", text), "write it like 64KiB, 128MiB, 1GiB or 500000")
	}
	return n * unit, nil
}

// readCount reads a whole number of at least one.
func readCount(text string) (any, error) {
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 {
		return nil, problem.Mistake(fmt.Sprintf("%q is not a whole number of at least 1", text), "write it in digits, like 1024")
	}
	return v, nil
}

// readSeed reads a number that repeats a run of the emulator.
func readSeed(text string) (any, error) {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, problem.Mistake(fmt.Sprintf("%q is not a seed", text), "give the number that an earlier run printed")
	}
	return v, nil
}

// toggle reads a flag that needs no value on the command line, but true or false in a variable or in the file.
type toggle struct{ *Reader }

// IsBool makes kong accept --name without a value.
func (toggle) IsBool() bool { return true }

// Decode implements kong.Mapper.
func (t toggle) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	text := fmt.Sprint(ctx.Scan.Pop().Value)
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		target.SetBool(true)
	case "false", "no", "off", "0":
		target.SetBool(false)
	default:
		t.mistakes[ctx.Value.Name] = problem.Mistake(fmt.Sprintf("%q is neither true nor false", text), "write true or false")
	}
	return nil
}
