package cli

import (
	"io"
	"log"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/proxy"
)

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
	log.SetOutput(proxy.NewLogWriter(logger, logrus.WarnLevel))
	return func() {
		log.SetOutput(output)
		log.SetFlags(flags)
	}
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
