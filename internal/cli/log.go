package cli

import (
	"bytes"
	"io"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// maxForeignLine bounds a line that a library writes to its own log.
const maxForeignLine = 2 << 10

// newLogger returns the logger of the program. What it writes has gone through r.
func newLogger(w io.Writer, level logrus.Level, format string, r *redactor) *logrus.Logger {
	logger := logrus.New()
	logger.SetOutput(w)
	logger.SetLevel(level)
	logger.AddHook(r)
	if format == "json" {
		logger.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	} else {
		logger.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339})
	}
	return logger
}

// captureStandardLog sends what libraries write with package log to logger, until restore is called.
// net/http does so on its own account, and quotes bytes of the peer.
func captureStandardLog(logger *logrus.Logger) (restore func()) {
	output, flags := log.Writer(), log.Flags()
	log.SetFlags(0)
	log.SetOutput(foreignLog{logger})
	return func() {
		log.SetOutput(output)
		log.SetFlags(flags)
	}
}

// foreignLog takes the lines of package log. (logrus has a writer of its own, which costs a goroutine
// that only a finalizer ends.)
type foreignLog struct{ logger *logrus.Logger }

func (f foreignLog) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line[:min(len(line), maxForeignLine)]))
	// "Unsolicited response received on idle HTTP channel starting with …" goes on with bytes that
	// belong to somebody's answer.
	text, _, _ = strings.Cut(text, " starting with ")
	f.logger.WithField("from", "net/http").Warn(text)
	return len(line), nil
}

// lockedWriter makes whole lines out of writes from several goroutines.
type lockedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
