package tokens_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/storetest"
)

// canary is a secret that is in no other text by chance, in none of the forms in canaryForms.
const canary = "cAnArY~7731"

// canaryForms are the canary as the verbs of fmt write a string or its bytes.
func canaryForms() []string {
	forms := []string{canary}
	for _, verb := range []string{"%x", "%X", "% x", "%d", "%q", "%v", "%#v", "%#x", "%o", "%b", "%c", "%U"} {
		forms = append(forms,
			strings.Trim(fmt.Sprintf(verb, []byte(canary)), `[]"`),
			strings.Trim(fmt.Sprintf(verb, []byte(canary)[:6]), `[]"}`))
	}
	return append(forms, fmt.Sprintf("%x", canary), fmt.Sprintf("%#x", canary))
}

func wantNoCanary(t *testing.T, what, output string) {
	t.Helper()
	for _, form := range canaryForms() {
		if strings.Contains(output, form) {
			t.Errorf("%s shows the secret (as %q): %s", what, form, output)
			return
		}
	}
}

// secretError is an error with a secret in its data.
type secretError struct{ Secret tokens.Secret }

func (e secretError) Error() string { return fmt.Sprintf("refused %v", e.Secret) }

// holders are values that contain a secret and may be printed.
func holders() map[string]any {
	s := tokens.NewSecret(canary)
	rec := storetest.Sample()
	rec.AccessToken, rec.RefreshToken = s, s
	tok := tokens.Token{Account: "acme", Generation: 1, Access: s}
	type exported struct{ Secret tokens.Secret }
	type unexported struct{ secret tokens.Secret }
	type deep struct{ unexported *unexported }
	return map[string]any{
		"secret":                       s,
		"pointer":                      &s,
		"field":                        exported{s},
		"pointer to field":             &exported{s},
		"unexported field":             unexported{s},
		"pointer to unexported field":  &unexported{s},
		"unexported in unexported":     deep{&unexported{s}},
		"slice":                        []tokens.Secret{s},
		"array":                        [1]tokens.Secret{s},
		"map value":                    map[string]tokens.Secret{"k": s},
		"map key":                      map[tokens.Secret]int{s: 1},
		"any":                          []any{s},
		"error":                        secretError{s},
		"wrapped error":                fmt.Errorf("login: %w", secretError{s}),
		"joined errors":                errors.Join(secretError{s}, errors.New("other")),
		"token":                        tok,
		"pointer to token":             &tok,
		"token in an unexported field": struct{ tok tokens.Token }{tok},
		"record":                       rec,
		"pointer to record":            &rec,
		"record in an unexported field": struct {
			rec tokens.Record
		}{rec},
		"account":  tokens.AccountConfig{RefreshToken: s, AccessToken: s, APIKey: s},
		"endpoint": tokens.Endpoint{URL: "https://api.example/", ClientID: "id", ClientSecret: s},
		"config":   tokens.Config{Accounts: map[string]tokens.AccountConfig{"acme": {APIKey: s}}, Endpoint: tokens.Endpoint{ClientSecret: s}},
		"pair":     tokens.Pair{AccessToken: s, RefreshToken: s},
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	verbs := []string{
		"%v", "%+v", "%#v", "%s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%c", "%U", "%T",
		"%t", "%e", "%g", "%b", "%o", "%p", "%w", "%20v", "%-20.5s", "%z",
	}
	for name, v := range holders() {
		t.Run(name, func(t *testing.T) {
			for _, verb := range verbs {
				wantNoCanary(t, verb, fmt.Sprintf(verb, v))
				wantNoCanary(t, "Errorf "+verb, fmt.Errorf(verb, v).Error())
			}
			wantNoCanary(t, "Sprint", fmt.Sprint(v))
			wantNoCanary(t, "Sprintln", fmt.Sprintln(v))
		})
	}
}

func TestSecretsDoNotMarshal(t *testing.T) {
	for name, v := range holders() {
		t.Run(name, func(t *testing.T) {
			for kind, marshal := range map[string]func(any) ([]byte, error){
				"json": json.Marshal, "yaml": yaml.Marshal, "xml": xml.Marshal,
			} {
				out, err := marshal(v)
				wantNoCanary(t, kind, string(out))
				if err != nil {
					wantNoCanary(t, kind+" error", err.Error())
				}
			}
		})
	}
}

func TestSecretsDoNotReachLogs(t *testing.T) {
	var out bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	text, structured := slog.New(slog.NewTextHandler(&out, options)), slog.New(slog.NewJSONHandler(&out, options))
	plain := logrus.New()
	plain.SetOutput(&out)
	plain.SetLevel(logrus.TraceLevel)
	for name, v := range holders() {
		text.Debug(name, "value", v)
		structured.Debug(name, "value", v, slog.Group("group", "value", v))
		plain.SetFormatter(&logrus.TextFormatter{})
		plain.WithField("value", v).Tracef("%v %+v", v, v)
		plain.SetFormatter(&logrus.JSONFormatter{})
		plain.WithField("value", v).Traceln(v)
	}
	wantNoCanary(t, "a log", out.String())
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("the log does not show that there was something to redact")
	}
}

// slogged returns what slog writes of v.
func slogged(v any) string {
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "value", v)
	_, text, _ := strings.Cut(out.String(), "value=")
	return strings.Trim(text, "\"\n")
}

func TestSecretShowsWhetherItIsSet(t *testing.T) {
	for _, c := range []struct {
		secret tokens.Secret
		want   string
	}{
		{tokens.NewSecret(canary), "[redacted]"},
		{tokens.NewSecret(""), ""},
		{tokens.Secret{}, ""},
	} {
		text, err := json.Marshal(c.secret)
		if err != nil {
			t.Fatal(err)
		}
		for how, got := range map[string]string{
			"String": c.secret.String(), "%v": fmt.Sprintf("%v", c.secret), "%#v": fmt.Sprintf("%#v", c.secret),
			"json": strings.Trim(string(text), `"`), "slog": slogged(c.secret),
		} {
			if got != c.want {
				t.Errorf("%s: got %q, want %q", how, got, c.want)
			}
		}
	}
}

func TestSecretKeepsItsValue(t *testing.T) {
	s := tokens.NewSecret(canary)
	if got := s.Reveal(); got != canary {
		t.Errorf("Reveal: got %q, want %q", got, canary)
	}
	if s.IsZero() || !(tokens.Secret{}).IsZero() || !tokens.NewSecret("").IsZero() {
		t.Error("IsZero is true for empty secrets only")
	}
}

func TestSecretEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"one", "one", true}, {"one", "two", false}, {"one", "on", false}, {"", "", true}, {"", "one", false},
	} {
		if got := tokens.NewSecret(c.a).Equal(tokens.NewSecret(c.b)); got != c.want {
			t.Errorf("Equal of %q and %q: got %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	s := tokens.NewSecret(canary)
	print := s.Fingerprint("refresh")
	wantNoCanary(t, "the fingerprint", print)
	if print != tokens.NewSecret(canary).Fingerprint("refresh") {
		t.Error("the same value has two fingerprints")
	}
	// Kind and value are kept apart: a value cannot be chosen to look like one of another kind.
	for what, other := range map[string]string{
		"another kind":         s.Fingerprint("access"),
		"another value":        tokens.NewSecret("other").Fingerprint("refresh"),
		"a part of the kind":   tokens.NewSecret("sh" + canary).Fingerprint("refre"),
		"no kind":              s.Fingerprint(""),
		"the value as kind":    tokens.NewSecret("refresh").Fingerprint(canary),
		"an empty secret's":    tokens.Secret{}.Fingerprint("refresh"),
		"half of itself twice": print[:len(print)/2] + print[:len(print)/2],
	} {
		if print == other {
			t.Errorf("%s gives the same fingerprint, %s", what, print)
		}
	}
	if got := (tokens.Secret{}).Fingerprint("refresh"); got != "" {
		t.Errorf("the empty secret has fingerprint %q, want none", got)
	}
}
