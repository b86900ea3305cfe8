package cli

import (
	"io"
	"log"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/logqueue"
	"pandadoc-auth-proxy/proxy"
)

// newLogger returns the logger of the program. What it writes has gone through r. If w is the program's
// queue, the logger tells when lines are missing.
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
	if q, ok := w.(*logqueue.Queue); ok {
		q.OnLoss(func(lines uint64) {
			logger.WithField("lines", lines).Warn("log lines were dropped: nobody read them")
		})
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
