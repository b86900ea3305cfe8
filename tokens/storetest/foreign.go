package storetest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// testUnreadable: a record that Load would refuse must not replace one that it can read.
func testUnreadable(t *testing.T, p *place) {
	store := p.open(t)
	rec := save(t, store, account, Sample())
	bad := tokens.Record{Version: rec.Version} // it has no generation
	if _, err := store.Save(t.Context(), account, bad); err == nil || errors.Is(err, tokens.ErrConflict) {
		t.Errorf("Save of a record without generation: got %v, want it refused", err)
	}
	wantRecord(t, load(t, store, account), rec)
}

// testSchemas: programs with the first schema and with a later schema use the same place.
func testSchemas(t *testing.T, p *place) {
	store := p.open(t)
	old := func(generation string) []byte {
		return []byte(`{"schema":1,"version":"written-by-` + generation + `","generation":` + generation + `,"access_token":"old-access","refresh_token":"old-refresh"}`)
	}
	p.Write(t, account, old("4"))
	rec := load(t, store, account)
	if rec.Generation != 4 || !rec.AccessToken.Equal(tokens.NewSecret("old-access")) || !rec.RefreshToken.Equal(tokens.NewSecret("old-refresh")) {
		t.Errorf("got %v of a record of schema 1", rec)
	}
	p.Write(t, account, old("5")) // the other program saves between our read and our write
	if _, err := store.Save(t.Context(), account, rec); !errors.Is(err, tokens.ErrConflict) {
		t.Errorf("Save over what an older program wrote: got %v, want ErrConflict", err)
	}
	rec = load(t, store, account)
	if rec.Generation != 5 {
		t.Errorf("got generation %d, want that of the older program, 5", rec.Generation)
	}
	rec = save(t, store, account, rec)
	if text := string(p.Read(t, account)); !strings.Contains(text, `"schema":2`) {
		t.Errorf("our save is of another schema: %s", text)
	}

	newer := []byte(`{"schema":99,"version":"written-by-99","generation":6,"tokens":{"access":"x"}}`)
	p.Write(t, account, newer)
	if _, err := store.Load(t.Context(), account); !errors.Is(err, tokens.ErrNewerSchema) || problem.HintOf(err) == "" {
		t.Errorf("Load of a newer schema: got %v with hint %q", err, problem.HintOf(err))
	}
	p.wantUntouched(t, store, newer, "", rec.Version)
}

// wantUntouched tries to save with each of versions, and checks that data does not change.
func (p *place) wantUntouched(t *testing.T, store tokens.Store, data []byte, versions ...string) {
	t.Helper()
	for _, version := range versions {
		if _, err := store.Save(t.Context(), account, based(Sample(), version)); err == nil {
			t.Errorf("Save of version %q has replaced it", version)
		}
	}
	if got := p.Read(t, account); !bytes.Equal(bytes.TrimSpace(got), bytes.TrimSpace(data)) {
		t.Errorf("%q became %q", data, got)
	}
}

// testDamaged: a damaged record may be the only copy of a refresh token, which a person could still save by hand. It
// does not count as absent, and nothing overwrites it.
func testDamaged(t *testing.T, p *place) {
	store := p.open(t)
	save(t, store, account, Sample())
	whole := bytes.TrimSpace(p.Read(t, account))
	damaged := map[string][]byte{
		"foreign text": []byte("hello"), "another kind": []byte(`[1,2,3]`), "null": []byte("null"), "an empty object": []byte("{}"),
		"another program's": []byte(`{"apiVersion":"v1","kind":"Thing"}`), "zeros": make([]byte, 300), "HTML": []byte("<html>"),
		"two records": append(bytes.Clone(whole), whole...), "a wrong type": bytes.Replace(whole, []byte(`"generation":7`), []byte(`"generation":"7"`), 1),
	}
	for _, length := range []int{1, len(whole) / 3, len(whole) / 2, len(whole) - 1} {
		damaged["cut after "+strings.Repeat("i", length*9/len(whole)+1)] = whole[:length]
	}
	for name, data := range damaged {
		t.Run(name, func(t *testing.T) {
			p.Write(t, account, data)
			_, err := store.Load(t.Context(), account)
			wantTrouble(t, "Load", err)
			if err != nil && strings.Contains(err.Error(), "of-the-suite") {
				t.Errorf("%v shows a token", err)
			}
			p.wantUntouched(t, store, data, "", "never-given-out")
		})
	}
	save(t, store, "other", Sample()) // a damaged account does not stop the others
	if lister, ok := store.(tokens.Lister); ok {
		wantAccounts(t, lister, account, "other")
	}
}

// testSealed: with keys, no token is stored unencrypted, and nobody can use or move tokens without the key.
func testSealed(t *testing.T, p *place) {
	store := p.open(t)
	save(t, store, account, Sample())
	stored := p.Read(t, account)
	for _, secret := range []string{accessToken, "of> the suite"} {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
			if bytes.Contains(stored, []byte(form)) {
				t.Errorf("the store holds a token: %s", stored)
			}
		}
	}
	for _, row := range []struct {
		name string
		keys *tokens.Codec
		want error
	}{{"no key", nil, tokens.ErrSealed}, {"another key", keys(t, "z"), tokens.ErrNoKey}} {
		other := p.Open(t, p.Server, row.keys)
		_, err := other.Load(t.Context(), account)
		if !errors.Is(err, row.want) || !strings.Contains(problem.HintOf(err), "--store-key-file") {
			t.Errorf("with %s: got %v with hint %q", row.name, err, problem.HintOf(err))
		}
		p.wantUntouched(t, other, stored, "")
	}
	p.Write(t, "thief", stored)
	if _, err := store.Load(t.Context(), "thief"); !errors.Is(err, tokens.ErrSealBroken) || problem.HintOf(err) == "" {
		t.Errorf("tokens of another account: got %v with hint %q", err, problem.HintOf(err))
	}
}

// testKeys: encryption is turned on, and the key is replaced. Records stay readable for programs with current keys.
func testKeys(t *testing.T, p *place) {
	rec := save(t, p.Open(t, p.Server, nil), account, Sample())
	for _, step := range []struct {
		name string
		keys *tokens.Codec
	}{
		{"turned on", keys(t, "a")}, {"the next key is known", keys(t, "a", "b")},
		{"the next key writes", keys(t, "b", "a")}, {"the old key is gone", keys(t, "b")},
	} {
		store := p.Open(t, p.Server, step.keys)
		found := load(t, store, account)
		wantRecord(t, found, rec)
		rec = save(t, store, account, found)
		if got := load(t, store, account).KeyID(); got != step.keys.KeyID() {
			t.Errorf("%s: the record is under key %q, want %q", step.name, got, step.keys.KeyID())
		}
	}
}
