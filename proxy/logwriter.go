package proxy

import (
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"
)

// maxLogText is how much of a line that net/http wrote is logged.
const maxLogText = 200

// NewLogWriter returns a writer that logs what net/http and the standard logger write, one entry a
// write, at a limited rate: what provokes them costs a client nothing. Such lines can quote bytes from the wire ("Unsolicited response received on idle HTTP channel
// starting with ..."), and those can hold secrets: everything from the first quote on is left out.
// (logrus' own WriterLevel would need a goroutine.)
func NewLogWriter(log *logrus.Logger, level logrus.Level) io.Writer {
	return &logWriter{log, level, newLineLimit()}
}

type logWriter struct {
	log   *logrus.Logger
	level logrus.Level
	limit lineLimit
}

func (w *logWriter) Write(line []byte) (int, error) {
	if !w.log.IsLevelEnabled(w.level) {
		return len(line), nil
	}
	if ok, skipped := w.limit.next(time.Now()); ok {
		fields := logrus.Fields{"from": "net/http"}
		optional(fields, "not_logged_before", skipped)
		w.log.WithFields(fields).Log(w.level, withoutPayload(string(line)))
	}
	return len(line), nil
}

func withoutPayload(line string) string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "\n")
	if before, _, quoted := strings.Cut(line, `"`); quoted {
		line = strings.TrimRight(before, " :=") + " [left out]"
	}
	return boundedText(line, maxLogText)
}

// boundedText cuts s to at most n bytes of printable text, so that nothing foreign can begin a new line
// or move a terminal's cursor.
func boundedText(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
