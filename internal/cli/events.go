package cli

import (
	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/tokens"
)

// logEvents returns what a Manager tells the log through.
func logEvents(logger *logrus.Logger) func(tokens.Event) {
	return func(e tokens.Event) {
		entry := logger.WithFields(logrus.Fields{
			"account": e.Account, "event": string(e.Kind), "state": string(e.Status.State),
		})
		for key, value := range map[string]string{"cause": e.Status.Cause, "detail": e.Detail} {
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
		entry.Log(eventLevel(e), eventText(e))
	}
}

// eventLevel is warning for what a person should look at, unless it mends itself.
func eventLevel(e tokens.Event) logrus.Level {
	switch e.Kind {
	case tokens.EventFailed, tokens.EventUnsaved, tokens.EventEmergency, tokens.EventRestored, tokens.EventTakeover:
		return logrus.WarnLevel
	case tokens.EventProbe:
		return logrus.DebugLevel
	case tokens.EventState:
		if e.Status.State != tokens.Ready && e.Status.State != tokens.Unknown {
			return logrus.WarnLevel
		}
	}
	return logrus.InfoLevel
}

func eventText(e tokens.Event) string {
	switch e.Kind {
	case tokens.EventRefreshed:
		return "new tokens"
	case tokens.EventFailed:
		return "refresh failed"
	case tokens.EventAdopted:
		return "another process has newer tokens: using them"
	case tokens.EventTakeover:
		return "took over the refresh of a process that is gone"
	case tokens.EventUnsaved:
		return "the new tokens could not be saved: trying again"
	case tokens.EventSaved:
		return "the new tokens are saved now"
	case tokens.EventEmergency:
		return "took the newest tokens from an emergency file"
	case tokens.EventRestored:
		return "put the tokens back into the store"
	case tokens.EventUpgraded:
		return "took over the record of an earlier version"
	case tokens.EventLogin:
		return "signed in"
	case tokens.EventLogout:
		return "logged out"
	case tokens.EventProbe:
		return "asked the API about a refused token"
	}
	return "account is " + string(e.Status.State)
}
