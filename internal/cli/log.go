package cli

import (
	"io"
	"log"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/logqueue"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// newLogger returns the logger of the program. Its output goes through r to queue, whose dropped lines it reports.
func newLogger(queue *logqueue.Queue, level logrus.Level, format string, r redactor) *logrus.Logger {
	logger := logrus.New()
	logger.SetOutput(queue)
	logger.SetLevel(level)
	logger.AddHook(r)
	if format == "json" {
		logger.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	} else {
		logger.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339})
	}
	queue.OnLoss(func(lines uint64) {
		logger.WithField("lines", lines).Warn("log lines were dropped, because they could not be written in time")
	})
	return logger
}

// newAccessLog returns the access log that belongs to newLogger's log. It is nil if level excludes it.
func newAccessLog(w io.Writer, level logrus.Level, format string, r redactor) *proxy.AccessLog {
	if level < logrus.InfoLevel {
		return nil
	}
	return &proxy.AccessLog{Out: w, JSON: format == "json", Redact: r.clean}
}

// captureStandardLog sends to logger what libraries write with package log, until restore is called. net/http
// writes there too, and quotes bytes from the peer.
func captureStandardLog(logger *logrus.Logger) (restore func()) {
	output, flags := log.Writer(), log.Flags()
	log.SetFlags(0)
	log.SetOutput(proxy.NewLogWriter(logger, logrus.WarnLevel))
	return func() {
		log.SetOutput(output)
		log.SetFlags(flags)
	}
}

// logEvents returns a function that logs the events of a Manager.
func logEvents(logger *logrus.Logger) func(tokens.Event) {
	return func(e tokens.Event) {
		entry := logger.WithFields(logrus.Fields{
			"account": e.Account, "event": string(e.Kind), "state": string(e.Status.State),
		})
		for key, value := range map[string]string{"cause": string(e.Status.Cause), "detail": e.Detail} {
			if value != "" {
				entry = entry.WithField(key, value)
			}
		}
		if e.Generation > 0 {
			entry = entry.WithField("generation", e.Generation)
		}
		if e.Duration > 0 {
			entry = entry.WithField("dur_ms", e.Duration.Milliseconds())
		}
		if e.Err != nil {
			entry = entry.WithField("error", e.Err)
		}
		level, text := eventLine(e)
		entry.Log(level, text)
	}
}

// eventLine returns the level and the text of an event. The level is warning if a person should look at it and it
// does not resolve itself.
func eventLine(e tokens.Event) (logrus.Level, string) {
	line, ok := map[tokens.EventKind]struct {
		level logrus.Level
		text  string
	}{
		tokens.EventRefreshed: {logrus.InfoLevel, "new tokens"},
		tokens.EventFailed:    {logrus.WarnLevel, "refresh failed"},
		tokens.EventAdopted:   {logrus.InfoLevel, "another process has newer tokens: using them"},
		tokens.EventTakeover:  {logrus.WarnLevel, "took over the refresh of a process that is gone"},
		tokens.EventUnsaved:   {logrus.WarnLevel, "the new tokens could not be saved: trying again"},
		tokens.EventSaved:     {logrus.InfoLevel, "the new tokens are saved now"},
		tokens.EventEmergency: {logrus.WarnLevel, "took the newest tokens from an emergency file"},
		tokens.EventRestored:  {logrus.WarnLevel, "put the tokens back into the store"},
		tokens.EventUpgraded:  {logrus.InfoLevel, "took over the record of an earlier version"},
		tokens.EventLogin:     {logrus.InfoLevel, "signed in"},
		tokens.EventLogout:    {logrus.InfoLevel, "logged out"},
		tokens.EventProbe:     {logrus.DebugLevel, "asked the API about a refused token"},
	}[e.Kind]
	if !ok { // a new state
		line.level, line.text = logrus.WarnLevel, "account is "+string(e.Status.State)
		if e.Status.State == tokens.Ready || e.Status.State == tokens.Unknown {
			line.level = logrus.InfoLevel
		}
	}
	return line.level, line.text
}
