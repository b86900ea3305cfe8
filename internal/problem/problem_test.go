package problem

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The form of all texts: details are sentences, hints are lower-case and can be pasted.
func TestEveryRowHasTheSameForm(t *testing.T) {
	type key struct {
		code Code
		name string
	}
	seen := map[key]bool{}
	for _, p := range All() {
		k := key{p.Code, p.Case}
		if seen[k] {
			t.Errorf("%s %s stands twice", p.Code, p.Case)
		}
		seen[k] = true
		if !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(string(p.Code)) {
			t.Errorf("code %q is not in lower case with hyphens", p.Code)
		}
		if p.Title == "" || strings.HasSuffix(p.Title, ".") {
			t.Errorf("%s: title %q", p.Code, p.Title)
		}
		if !regexp.MustCompile(`^[A-Z].*\.$`).MatchString(p.Detail) {
			t.Errorf("%s: detail %q is not a sentence", p.Code, p.Detail)
		}
		if p.Hint != "" && (strings.HasSuffix(p.Hint, ".") || strings.ToLower(p.Hint[:1]) != p.Hint[:1]) {
			t.Errorf("%s: hint %q does not begin in lower case, or ends with a full stop", p.Code, p.Hint)
		}
		if p.Status == 503 && p.RetryAfter == 0 {
			t.Errorf("%s: a 503 says when to come back", p.Code)
		}
	}
}

func TestOfFillsInValues(t *testing.T) {
	p := Of(LoginRequired, "account", "acme", "login", LoginCommand("acme"))
	if want := "run: pandadoc-auth-proxy login --account acme"; p.Hint != want {
		t.Errorf("got hint %q, want %q", p.Hint, want)
	}
	if !strings.Contains(p.Detail, "account acme,") {
		t.Errorf("got detail %q, want one that names the account", p.Detail)
	}
	if again := Of(LoginRequired); !strings.Contains(again.Hint, "{login}") {
		t.Errorf("filling in values has changed the table: %q", again.Hint)
	}
}

func TestACaseWithoutARowIsTheGeneralOne(t *testing.T) {
	if got, want := OfCase(UpstreamUnreachable, "dns_error").Hint, "check --api-url and the name servers"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := OfCase(UpstreamUnreachable, "unheard_of").Error, "destination_unavailable"; got != want {
		t.Errorf("got error type %q, want %q", got, want)
	}
}

func TestWriteAnswersInTheShapeOfPandaDocAndRFC9457(t *testing.T) {
	w := httptest.NewRecorder()
	p := Of(RefreshUnavailable)
	p.RetryAfter = 1500 * time.Millisecond
	p.Write(w)
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("got Retry-After %q, want 2", got)
	}
	if got, want := w.Header().Get("Proxy-Status"), `pandadoc-auth-proxy; error=proxy_internal_error; details="refresh-unavailable"`; got != want {
		t.Errorf("got Proxy-Status %q, want %q", got, want)
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"type", "title", "status", "detail", "code", "hint"} {
		if body[name] == nil {
			t.Errorf("the body has no %q", name)
		}
	}
}
