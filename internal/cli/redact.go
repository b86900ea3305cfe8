package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/tokens"
)

const redacted = "[redacted]"

// redactor is a second protection besides the type tokens.Secret. It removes secrets from the log that a
// library has put into an error or a field as plain text.
type redactor struct {
	values []string // known secrets
	shapes *regexp.Regexp
}

var _ logrus.Hook = (*redactor)(nil)

// newRedactor returns a redactor that recognises the given secrets by their value, and others by the name of
// their field.
func newRedactor(known []tokens.Secret) *redactor {
	var values []string
	for _, s := range known {
		if len(s.Reveal()) >= 8 { // a shorter text may be an ordinary word, and is no real secret
			values = append(values, s.Reveal())
		}
	}
	return &redactor{
		values: values,
		shapes: regexp.MustCompile(`(?i)(?:` +
			`(\bauthorization["']?[=:]\s*["']?(?:(?:bearer|api-key|basic)\s+)?|` +
			`\b(?:access_token|refresh_token|client_secret|api_key)["']?[=:]\s*["']?|` +
			`[?&](?:code|state)=)[^\s"'&,;]+|` +
			`(\b(?:bearer|api-key|basic)\s+)[^\s"'&,;]{20,})`), // no word of the language is as long
	}
}

// Levels implements logrus.Hook.
func (r *redactor) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook. The entry is the logger's own copy.
func (r *redactor) Fire(e *logrus.Entry) error {
	e.Message = r.clean(e.Message)
	for key, value := range e.Data {
		switch v := value.(type) {
		case string:
			e.Data[key] = r.field(key, v)
		case error:
			e.Data[key] = r.field(key, v.Error())
		case fmt.Stringer:
			e.Data[key] = r.field(key, v.String())
		}
	}
	return nil
}

func (r *redactor) field(key, text string) string {
	if secretField(key) && text != "" {
		return redacted
	}
	return r.clean(text)
}

func secretField(key string) bool {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key)) {
	case "authorization", "token", "accesstoken", "refreshtoken", "clientsecret", "secret", "apikey",
		"password", "cookie", "setcookie":
		return true
	}
	return false
}

// clean removes the known secrets from text, and what looks like a secret.
func (r *redactor) clean(text string) string {
	for _, value := range r.values {
		text = strings.ReplaceAll(text, value, redacted)
	}
	// Everything that looks like a secret contains one of these characters; most fields of an access line contain
	// none.
	if !strings.ContainsAny(text, " =:") {
		return text
	}
	return r.shapes.ReplaceAllString(text, "$1$2"+redacted)
}
