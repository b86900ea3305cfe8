package tokens_test

import (
	order "cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/storetest"
)

func encodeRecord(t *testing.T, rec tokens.Record) string {
	t.Helper()
	data, err := (*tokens.Codec)(nil).Encode("acme", rec)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func decodeRecord(t *testing.T, data string) tokens.Record {
	t.Helper()
	rec, err := (*tokens.Codec)(nil).Decode("acme", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestRecordRoundTrip(t *testing.T) {
	full := storetest.Sample()
	full.Version = "v1"
	for name, want := range map[string]tokens.Record{
		"full":      full,
		"least":     {Generation: 1},
		"tombstone": {Version: "v2", Generation: 9, Seeds: []string{"a", "b"}},
		"far ahead": {Generation: 1<<64 - 1, ExpiresAt: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)},
		"odd text":  {Generation: 1, AccessToken: tokens.NewSecret("<&>\u2028\"\\\x7f\t"), Scope: "é\U0001F43C"},
	} {
		t.Run(name, func(t *testing.T) {
			data := encodeRecord(t, want)
			got := decodeRecord(t, data)
			if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(tokens.Record{})); d != "" {
				t.Errorf("decoded record (-want +got):\n%s", d)
			}
			if again := encodeRecord(t, got); again != data {
				t.Errorf("encoded again: got %s, want %s", again, data)
			}
		})
	}
}

// The stored form is a contract with versions before and after this one.
func TestStoredForm(t *testing.T) {
	rec := tokens.Record{
		Version: "v1", Generation: 3, AccessToken: tokens.NewSecret("at"), RefreshToken: tokens.NewSecret("rt"),
		TokenType: "Bearer", ObtainedAt: time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC),
		Pending: &tokens.Pending{Owner: "me", StartedAt: time.Unix(0, 0).UTC(), Until: time.Unix(30, 0).UTC()},
	}
	want := `{"schema":2,"version":"v1","generation":3,"token_type":"Bearer",` +
		`"obtained_at":"2031-01-02T03:04:05Z",` +
		`"pending":{"owner":"me","started_at":"1970-01-01T00:00:00Z","until":"1970-01-01T00:00:30Z"},"access_token":"at","refresh_token":"rt"}`
	if got := encodeRecord(t, rec); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUnknownFieldsSurvive(t *testing.T) {
	const unknown = `"later":{"a":[1,2.50,null],"b":"<x>"},"note":"of a newer version"`
	rec := decodeRecord(t, `{"note":"of a newer version","schema":1,"generation":4,"access_token":"old","later":{"a":[1,2.50,null],"b":"<x>"}}`)
	rec = rec.Clone()
	rec.Generation++
	rec.AccessToken = tokens.NewSecret("new")
	data := encodeRecord(t, rec)

	var got, want map[string]any
	if err := json.Unmarshal([]byte(data), &got); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if err := json.Unmarshal([]byte(`{"schema":2,"version":"","generation":5,"access_token":"new",`+unknown+`}`), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the stored form (-want +got):\n%s", d)
	}
	if again := encodeRecord(t, decodeRecord(t, data)); again != data {
		t.Errorf("a second rewrite: got %s, want %s", again, data)
	}
}

// A field that this version knows is written once, with the value of this version.
func TestKnownFieldsAreNotKeptTwice(t *testing.T) {
	rec := storetest.Sample()
	rec.Version = "v1"
	rec = decodeRecord(t, encodeRecord(t, rec))
	bare := encodeRecord(t, tokens.Record{Generation: 1})
	for _, clear := range []func(*tokens.Record){
		func(r *tokens.Record) { r.AccessToken, r.RefreshToken = tokens.Secret{}, tokens.Secret{} },
		func(r *tokens.Record) { r.Version, r.TokenType, r.Scope, r.Seeds = "", "", "", nil },
		func(r *tokens.Record) { r.Pending, r.Rejected, r.Previous = nil, nil, nil },
		func(r *tokens.Record) { r.Generation = 1 },
		func(r *tokens.Record) {
			r.Lineage, r.Issuer, r.RestoredAt = tokens.Lineage{}, tokens.Issuer{}, time.Time{}
		},
		func(r *tokens.Record) { r.Answered, r.Hold, r.Forgotten = false, nil, false },
		func(r *tokens.Record) {
			r.ExpiresAt, r.ObtainedAt, r.UnconfirmedSince, r.ProvenAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		},
	} {
		clear(&rec)
	}
	if got := encodeRecord(t, rec); got != bare {
		t.Errorf("an emptied record is stored as %s, want %s", got, bare)
	}
}

func TestDecodeRefusesNewerSchema(t *testing.T) {
	for _, data := range []string{
		`{"schema":3,"generation":1}`,
		`{"schema":99,"version":"v","generation":1,"access_token":"` + canary + `"}`,
	} {
		_, err := (*tokens.Codec)(nil).Decode("acme", []byte(data))
		if !errors.Is(err, tokens.ErrNewerSchema) {
			t.Errorf("%s: got %v, want ErrNewerSchema", data, err)
		}
		wantNoCanary(t, "the error", fmt.Sprint(err))
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	whole := `{"schema":1,"version":"v","generation":1,"access_token":"` + canary + `","expires_at":"2031-01-02T03:04:05Z"}`
	damaged := map[string]string{
		"nothing":            "",
		"blank":              "  \n",
		"null":               "null",
		"a list":             `[` + whole + `]`,
		"text":               canary,
		"quoted text":        `"` + canary + `"`,
		"two records":        whole + whole,
		"trailing text":      whole + canary,
		"byte order mark":    "\ufeff" + whole,
		"zeros":              strings.Repeat("\x00", 64),
		"no schema":          `{"generation":1,"access_token":"` + canary + `"}`,
		"schema zero":        `{"schema":0,"generation":1}`,
		"negative schema":    `{"schema":-1,"generation":1}`,
		"no generation":      `{"schema":1,"access_token":"` + canary + `"}`,
		"negative number":    `{"schema":1,"generation":-1}`,
		"token is a number":  `{"schema":1,"generation":1,"access_token":7731}`,
		"token is a list":    `{"schema":1,"generation":1,"access_token":["` + canary + `"]}`,
		"number is text":     `{"schema":1,"generation":"` + canary + `"}`,
		"time is text":       `{"schema":1,"generation":1,"expires_at":"` + canary + `"}`,
		"time is a number":   `{"schema":1,"generation":1,"expires_at":7731}`,
		"pending is text":    `{"schema":1,"generation":1,"pending":"` + canary + `"}`,
		"escape is broken":   `{"schema":1,"generation":1,"access_token":"` + canary + `\q"}`,
		"unknown is cut off": `{"schema":1,"generation":1,"later":"` + canary,
	}
	for i := range len(whole) {
		damaged[fmt.Sprintf("cut after %d bytes", i)] = whole[:i]
	}
	for name, data := range damaged {
		_, err := (*tokens.Codec)(nil).Decode("acme", []byte(data))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantNoCanary(t, name+": the error", fmt.Sprintf("%v %+v %#v", err, err, err))
	}
}

func TestCloneSharesNothing(t *testing.T) {
	a := storetest.Sample()
	b := a.Clone()
	b.Seeds[0], b.Pending.Owner, b.Rejected.Code, b.Previous.Generation = "x", "x", "x", 99
	if d := cmp.Diff(storetest.Sample(), a, cmpopts.IgnoreUnexported(tokens.Record{})); d != "" {
		t.Errorf("a change of the clone changed the record (-want +got):\n%s", d)
	}
}

// FuzzDecodeRecord decodes arbitrary files: Decode does not panic and shows no secret, and a record that it accepts
// is the same after it is written again.
func FuzzDecodeRecord(f *testing.F) {
	sample, err := (*tokens.Codec)(nil).Encode("acme", storetest.Sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte(`{"schema":1,"generation":1}`))
	f.Add([]byte(`{"schema":1,"generation":1,"Schema":3,"GENERATION":7,"later":{"x":[1e400]}}`))
	f.Add([]byte(`{"schema":1,"generation":1,"expires_at":"0001-01-01T00:00:00Z","pending":{},"previous":{"x":1}}`))
	f.Add([]byte(`{"schema":1,"generation":1,"GENERATION":1,"generAtion":0}`))
	f.Add([]byte(`{"schema":2}`))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := (*tokens.Codec)(nil).Decode("acme", data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 200 {
				t.Errorf("the error is not a short line: %q", err)
			}
			return
		}
		again, err := (*tokens.Codec)(nil).Encode("acme", rec)
		if err != nil {
			t.Fatalf("an accepted record cannot be stored: %v", err)
		}
		twice, err := (*tokens.Codec)(nil).Decode("acme", again)
		if err != nil {
			t.Fatalf("a stored record cannot be read: %v\n%s", err, again)
		}
		if d := cmp.Diff(rec, twice, cmpopts.IgnoreUnexported(tokens.Record{}), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("a rewrite changed the record (-before +after):\n%s", d)
		}
	})
}

// A record of a build before 0.1.0 has neither lineage nor issuer.
func TestRecordsOfTheFirstSchemaAreRead(t *testing.T) {
	data, err := os.ReadFile("testdata/record-schema-1.json")
	if err != nil {
		t.Fatal(err)
	}
	rec := decodeRecord(t, string(data))
	if rec.Generation != 4 || rec.AccessToken.Reveal() != "an-access-token" || rec.RefreshToken.Reveal() != "a-refresh-token" || len(rec.Seeds) != 1 {
		t.Errorf("got %v, want the fourth generation with its tokens and its seed", rec)
	}
	if rec.Lineage != (tokens.Lineage{}) || rec.Issuer != (tokens.Issuer{}) {
		t.Errorf("got lineage %v and issuer %v, want none", rec.Lineage, rec.Issuer)
	}
	if again := encodeRecord(t, rec); !strings.Contains(again, `"schema":2`) {
		t.Errorf("written again as %s, want schema 2", again)
	}
}

func TestRecordsAreOrderedByLineageThenGeneration(t *testing.T) {
	at := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	old, young := tokens.Lineage{BornAt: at, Random: "b"}, tokens.Lineage{BornAt: at.Add(time.Second), Random: "a"}
	ascending := []tokens.Record{
		{},
		{Generation: 9},
		{Lineage: tokens.Lineage{BornAt: at, Random: "a"}, Generation: 7},
		{Lineage: old, Generation: 1},
		{Lineage: old, Generation: 2},
		{Lineage: young, Generation: 1},
	}
	for i, x := range ascending {
		for j, y := range ascending {
			if got, want := x.Compare(y), order.Compare(i, j); got != want {
				t.Errorf("record %d against %d: got %d, want %d", i, j, got, want)
			}
		}
	}
}

func TestIssuersAreComparedInOneForm(t *testing.T) {
	want := tokens.Issuer{API: "https://api.example", TokenURL: "https://api.example/oauth2/access_token", ClientID: "Client"}
	for _, urls := range [][2]string{
		{"https://api.example", "https://api.example/oauth2/access_token"},
		{"https://API.example:443/", "HTTPS://api.EXAMPLE:443/oauth2/access_token/"},
		{"https://api.example/ignored?x", "https://api.example/oauth2/access_token"},
	} {
		if got := tokens.NewIssuer(urls[0], urls[1], "Client"); got != want {
			t.Errorf("%q: got %+v, want %+v", urls, got, want)
		}
	}
	if got := tokens.NewIssuer("http://api.example:443", "http://api.example:8080/x", ""); got.API != "http://api.example:443" || got.TokenURL != "http://api.example:8080/x" {
		t.Errorf("a port that is not the scheme's default is part of the issuer: got %+v", got)
	}
}
