package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/tokens"
)

const redacted = "[redacted]"

// redactor is a second protection besides the type tokens.Secret. It removes secrets from the log that a
// library has put into an error or a field as plain text.
type redactor struct{ known []tokens.Secret }

var _ logrus.Hook = redactor{}

// secretShapes finds secrets by the names before them.
var secretShapes = regexp.MustCompile(`(?i)(?:` +
	`(\bauthorization["']?[=:]\s*["']?(?:(?:bearer|api-key|basic)\s+)?|` +
	`\b(?:access_token|refresh_token|client_secret|api_key)["']?[=:]\s*["']?|` +
	`[?&](?:code|state)=)[^\s"'&,;]+|` +
	`(\b(?:bearer|api-key|basic)\s+)[^\s"'&,;]{20,})`) // no word of the language is as long

// Levels implements logrus.Hook.
func (r redactor) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook. The entry is the logger's own copy.
func (r redactor) Fire(e *logrus.Entry) error {
	e.Message = r.clean(e.Message)
	for key, value := range e.Data {
		var text string
		switch v := value.(type) {
		case string:
			text = v
		case error:
			text = v.Error()
		case fmt.Stringer:
			text = v.String()
		default:
			continue
		}
		e.Data[key] = r.clean(text)
		if text != "" && isSecret(key) {
			e.Data[key] = redacted
		}
	}
	return nil
}

// isSecret reports whether a field with this name has a secret.
func isSecret(key string) bool {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key)) {
	case "authorization", "token", "accesstoken", "refreshtoken", "clientsecret", "secret", "apikey",
		"password", "cookie", "setcookie":
		return true
	}
	return false
}

// clean removes the known secrets from text, and what looks like a secret.
func (r redactor) clean(text string) string {
	text = config.HideSecrets(text, r.known)
	// Everything that looks like a secret contains one of these characters; most fields of an access line contain
	// none.
	if !strings.ContainsAny(text, " =:") {
		return text
	}
	return secretShapes.ReplaceAllString(text, "$1$2"+redacted)
}
