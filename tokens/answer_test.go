package tokens

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"
)

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func TestReadPair(t *testing.T) {
	const both = `"access_token":"a","refresh_token":"r"`
	for _, row := range []struct {
		name, body      string
		access, refresh string
		life            time.Duration
	}{
		{"the documented answer", `{` + both + `,"token_type":"Bearer","expires_in":31535999,"scope":"read+write"}`, "a", "r", 31535999 * time.Second},
		{"expires_in as a float", `{` + both + `,"expires_in":31535999.0}`, "a", "r", 31535999 * time.Second},
		{"expires_in as a string", `{` + both + `,"expires_in":"3600"}`, "a", "r", time.Hour},
		{"expires_in as a string with spaces", `{` + both + `,"expires_in":" 3600 "}`, "a", "r", time.Hour},
		{"expires_in empty", `{` + both + `,"expires_in":""}`, "a", "r", 0},
		{"expires_in null", `{` + both + `,"expires_in":null}`, "a", "r", 0},
		{"expires_in zero", `{` + both + `,"expires_in":0}`, "a", "r", 0},
		{"expires_in negative", `{` + both + `,"expires_in":-1}`, "a", "r", 0},
		{"expires_in absent", `{` + both + `}`, "a", "r", 0},
		{"expires_in huge", `{` + both + `,"expires_in":1e12}`, "a", "r", maxLifetime},
		{"expires_in beyond every float", `{` + both + `,"expires_in":1e999}`, "a", "r", maxLifetime},
		{"expires_in NaN", `{` + both + `,"expires_in":"NaN"}`, "a", "r", 0},
		{"expires_in an object", `{` + both + `,"expires_in":{"s":1}}`, "a", "r", 0},
		{"no refresh token", `{"access_token":"a"}`, "a", "", 0},
		{"byte order mark", "\ufeff{" + both + `}`, "a", "r", 0},
		{"gzip", zipped(`{` + both + `,"expires_in":60}`), "a", "r", time.Minute},
		{"gzip cut short", zipped(`{` + both + `,"x":1}`)[:60], "a", "r", 0},
		{"damage behind the tokens", `{` + both + `,"expires_in":}`, "a", "r", 0},
		{"cut behind the tokens", `{` + both + `,"sco`, "a", "r", 0},
		{"cut behind the refresh token, which comes first", `{"refresh_token":"r","acc`, "", "r", 0},
		{"a token type that is Bearer in other words", `{` + both + `,"token_type":"BearerToken"}`, "a", "r", 0},
		{"another field first", `{"x":[1,{"access_token":"no"}],` + both + `}`, "a", "r", 0},
		{"bearer in lower case", `{` + both + `,"token_type":"bearer"}`, "a", "r", 0},

		{"empty", ``, "", "", 0},
		{"HTML", `<html>`, "", "", 0},
		{"an array", `["access_token"]`, "", "", 0},
		{"an error", `{"error":"invalid_grant"}`, "", "", 0},
		{"cut in the access token", `{"access_token":"a`, "", "", 0},
		{"cut between the tokens", `{"access_token":"a",`, "", "", 0},
		{"cut in the refresh token", `{"access_token":"a","refresh_token":"r`, "", "", 0},
		{"not closed, without a refresh token", `{"access_token":"a","expires_in":60`, "", "", 0},
		{"access token a number", `{"access_token":1}`, "", "", 0},
		{"access token with a line break", `{"access_token":"a\r\nX: y"}`, "", "", 0},
		{"access token with a space", `{"access_token":"a b"}`, "", "", 0},
		{"access token not ASCII", `{"access_token":"ä"}`, "", "", 0},
		{"a token type that needs signatures", `{` + both + `,"token_type":"mac"}`, "", "", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, err := readPair(200, []byte(row.body), nil)
			if (err == nil) != (row.access+row.refresh != "") {
				t.Fatalf("err = %v", err)
			}
			if p.AccessToken.Reveal() != row.access || p.RefreshToken.Reveal() != row.refresh || p.ExpiresIn != row.life {
				t.Errorf("got %q, %q, %s; want %q, %q, %s", p.AccessToken.Reveal(), p.RefreshToken.Reveal(), p.ExpiresIn, row.access, row.refresh, row.life)
			}
		})
	}
}

func TestErrorTextIsSafeToShow(t *testing.T) {
	fields, _ := readFields([]byte(`{"error":"bad\u0007\n\u001b[31m","error_description":"` + strings.Repeat("x", 5000) + `"}`))
	e := readError(400, fields)
	if e.Code != "bad[31m" || len(e.Description) != maxErrorText {
		t.Errorf("code %q, description of %d bytes", e.Code, len(e.Description))
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "1e3": 0, "99999999999": 0, "soon": 0,
		"Mon, 23 Nov 2026 12:00:07 GMT": 7 * time.Second,
		"Mon, 23 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", value, got, want)
		}
	}
}

// For every answer of a server: no panic, a limited lifetime, and only tokens that are allowed in a header.
func FuzzReadPair(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","refresh_token":"r","expires_in":31535999}`))
	f.Add([]byte("\ufeff{\"access_token\":\"a\",\"expires_in\":\"1e400\"}"))
	f.Add([]byte(zipped(`{"access_token":"a"}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := readPair(200, body, nil)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if p.ExpiresIn < 0 || p.ExpiresIn > maxLifetime {
			t.Errorf("lifetime %s", p.ExpiresIn)
		}
		if a := p.AccessToken.Reveal(); a+p.RefreshToken.Reveal() == "" || strings.ContainsAny(a, " \r\n\t\x00") {
			t.Errorf("access token %q", a)
		}
	})
}
