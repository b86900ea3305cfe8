package tokens_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/storetest"
)

// keyLine returns a line of a key file. The same letter gives the same key.
func keyLine(letter string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))) + "\n"
}

func codec(t *testing.T, lines ...string) *tokens.Codec {
	t.Helper()
	c, err := tokens.ParseKeys([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(t *testing.T, c *tokens.Codec, account string, rec tokens.Record) []byte {
	t.Helper()
	data, err := c.Encode(account, rec)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestASealedRecordShowsEverythingButItsTokens(t *testing.T) {
	c := codec(t, keyLine("a"))
	rec := storetest.Sample()
	data := encode(t, c, "acme", rec)
	for _, secret := range []tokens.Secret{rec.AccessToken, rec.RefreshToken} {
		quoted, _ := json.Marshal(secret.Reveal())
		if bytes.Contains(data, quoted[1:len(quoted)-1]) || bytes.Contains(data, []byte(secret.Reveal())) {
			t.Errorf("a token stands in clear in %s", data)
		}
	}
	for _, open := range []string{`"generation":7`, `"expires_at":"2032-`, `"key":"` + c.KeyID() + `"`} {
		if !bytes.Contains(data, []byte(open)) {
			t.Errorf("%s is not readable in %s", open, data)
		}
	}
	got, err := c.Decode("acme", data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rec, got, cmpopts.IgnoreUnexported(tokens.Record{})); d != "" || got.KeyID() != c.KeyID() {
		t.Errorf("key %q (-want +got):\n%s", got.KeyID(), d)
	}
}

func TestTheSameTokensAreSealedDifferentlyEachTime(t *testing.T) {
	c := codec(t, keyLine("a"))
	if bytes.Equal(encode(t, c, "acme", storetest.Sample()), encode(t, c, "acme", storetest.Sample())) {
		t.Error("the stored form shows that the tokens did not change")
	}
}

func TestARecordThatCannotBeOpened(t *testing.T) {
	ab, b := codec(t, keyLine("a"), keyLine("b")), codec(t, keyLine("b"))
	data := encode(t, ab, "acme", storetest.Sample())
	change := func(from, to string) []byte {
		changed := bytes.Replace(data, []byte(from), []byte(to), 1)
		if bytes.Equal(changed, data) {
			t.Fatalf("%q is not in %s", from, data)
		}
		return changed
	}
	for _, row := range []struct {
		name    string
		codec   *tokens.Codec
		account string
		data    []byte
		want    error
	}{
		{"no key", nil, "acme", data, tokens.ErrSealed},
		{"the wrong key", b, "acme", data, tokens.ErrNoKey},
		{"the tokens of another account", ab, "other", data, tokens.ErrSealBroken},
		{"changed bytes", ab, "acme", change(`"data":"`, `"data":"AAAA`), tokens.ErrSealBroken},
		{"another shape", ab, "acme", change(`"sealed":{`, `"sealed":[{`), nil}, // no JSON
		{"sealed is no object", ab, "acme", []byte(`{"schema":1,"generation":1,"sealed":7}`), tokens.ErrSealBroken},
		{"another schema", ab, "acme", change(`"schema":`, `"schema":0`), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			rec, err := row.codec.Decode(row.account, row.data)
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Fatalf("got %v, %v, want %v", rec, err, row.want)
			}
			if row.want != nil && problem.HintOf(err) == "" {
				t.Errorf("%v has no hint", err)
			}
		})
	}
	if _, err := (*tokens.Codec)(nil).Decode("acme", data); !errors.Is(err, tokens.ErrSealed) {
		t.Errorf("without a codec: got %v, want ErrSealed", err)
	}
}

func TestANewerSchemaIsRecognisedThroughTheSeal(t *testing.T) {
	_, err := codec(t, keyLine("a")).Decode("acme", []byte(`{"schema":99,"sealed":{"of":"the future"}}`))
	if !errors.Is(err, tokens.ErrNewerSchema) {
		t.Errorf("got %v, want ErrNewerSchema", err)
	}
}

// How to replace a key: list the new one second everywhere, then first, then remove the old one. Each process can
// always read what another one has written, except while encryption is turned on.
func TestKeysAreReplacedStepByStep(t *testing.T) {
	steps := []*tokens.Codec{
		nil,
		codec(t, keyLine("a")), // encryption is turned on
		codec(t, keyLine("a"), keyLine("b")),
		codec(t, keyLine("b"), keyLine("a")),
		codec(t, keyLine("b")),
	}
	for i, before := range steps[:len(steps)-1] {
		after := steps[i+1]
		written := encode(t, before, "acme", storetest.Sample())
		if _, err := after.Decode("acme", written); err != nil {
			t.Errorf("step %d cannot read what step %d has written: %v", i+1, i, err)
		}
		rewritten := encode(t, after, "acme", storetest.Sample())
		if _, err := before.Decode("acme", rewritten); i > 0 && err != nil {
			t.Errorf("step %d cannot read what step %d has written: %v", i, i+1, err)
		}
	}
}

func TestMistakesInKeyFiles(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", "no key"},
		{"comments only", "# nothing\n\n", "no key"},
		{"a password", keyLine("a") + "hunter2\n", "line 2 is not a key"},
		{"too short", "c2hvcnQ=\n", "line 1 is not a key"},
		{"twice the same", keyLine("a") + "# again\n" + keyLine("a"), "line 3 has the same key as an earlier line"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := tokens.ParseKeys([]byte(row.text))
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
	crlf := strings.ReplaceAll("\xef\xbb\xbf# keys\n"+keyLine("a")+keyLine("b"), "\n", "\r\n")
	if c := codec(t, crlf); c.KeyID() != codec(t, keyLine("a")).KeyID() {
		t.Error("a byte order mark and CRLF change the key")
	}
}
