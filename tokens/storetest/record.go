package storetest

import (
	"reflect"
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

func testAbsent(t *testing.T, p *place) {
	wantAbsent(t, p.open(t), account)
}

func testCreate(t *testing.T, p *place) {
	store := p.open(t)
	saved := save(t, store, account, Sample())
	wantRecord(t, saved, based(Sample(), saved.Version))
	wantRecord(t, load(t, store, account), saved)
}

func testCreateConflict(t *testing.T, p *place) {
	store := p.open(t)
	saved := save(t, store, account, Sample())
	other := Sample()
	other.Generation++
	wantConflict(t, store, other)
	wantRecord(t, load(t, store, account), saved)
}

func testSwap(t *testing.T, p *place) {
	store := p.open(t)
	rec := save(t, store, account, Sample())
	rec.Generation++
	rec.AccessToken = tokens.NewSecret("second")
	saved := save(t, store, account, rec)
	if saved.Version == rec.Version {
		t.Errorf("the version %q stayed the same", rec.Version)
	}
	wantRecord(t, saved, based(rec, saved.Version))
	wantRecord(t, load(t, store, account), saved)
}

func testStale(t *testing.T, p *place) {
	store := p.open(t)
	first := save(t, store, account, Sample())
	second := save(t, store, account, based(Sample(), first.Version))

	stale := first.Clone()
	stale.Generation = 99
	wantConflict(t, store, stale)
	wantConflict(t, store, based(stale, "never-given-out"))
	wantRecord(t, load(t, store, account), second)
	save(t, store, account, second) // the version of the winner is still valid
}

// A record that was lost, with its directory or its database, is not silently created again by a process that believes
// that it still exists.
func testVersionOfAbsent(t *testing.T, p *place) {
	store := p.open(t)
	wantConflict(t, store, based(Sample(), "never-given-out"))
	wantAbsent(t, store, account)
}

func testFields(t *testing.T, p *place) {
	// A field that is in Record but not in Sample would not be tested.
	v := reflect.ValueOf(Sample())
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.IsExported() && f.Name != "Version" && v.FieldByIndex(f.Index).IsZero() {
			t.Errorf("Sample does not set %s", f.Name)
		}
	}
	store, other := p.handles(t)
	saved := save(t, store, account, Sample())
	wantRecord(t, load(t, other, account), based(Sample(), saved.Version))
}

func testEmptied(t *testing.T, p *place) {
	store, other := p.handles(t)
	saved := save(t, store, account, Sample())
	bare := tokens.Record{Version: saved.Version, Generation: 8}
	saved = save(t, store, account, bare)
	wantRecord(t, load(t, other, account), based(bare, saved.Version))
}

func testUnknownFields(t *testing.T, p *place) {
	store, other := p.handles(t)
	rec, err := (*tokens.Codec)(nil).Decode(account, []byte(`{"schema":1,"generation":1,"from_the_future":{"deep":[1,"two"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	save(t, store, account, rec)
	rec = load(t, other, account)
	rec.Generation++
	save(t, other, account, rec)

	data, err := (*tokens.Codec)(nil).Encode(account, load(t, store, account))
	if err != nil {
		t.Fatal(err)
	}
	if want := `"from_the_future":{"deep":[1,"two"]}`; !strings.Contains(string(data), want) {
		t.Errorf("got %s, want it to hold %s", data, want)
	}
}

func testVersions(t *testing.T, p *place) {
	store := p.open(t)
	seen := map[string]bool{}
	rec := Sample() // always the same content: only the versions differ
	for range 20 {
		rec = save(t, store, account, rec)
		if seen[rec.Version] {
			t.Fatalf("version %q came twice", rec.Version)
		}
		seen[rec.Version] = true
	}
}

func testAccounts(t *testing.T, p *place) {
	store := p.open(t)
	// Names that could be confused in careless keys or file names, and the longest name.
	names := []string{"a", "a-a", "aa", "a-lock", "default", "0", strings.Repeat("a", 63)}
	saved := map[string]tokens.Record{}
	for i, name := range names {
		rec := Sample()
		rec.Generation = uint64(i + 1)
		saved[name] = save(t, store, name, rec)
	}
	for _, name := range names {
		wantRecord(t, load(t, store, name), saved[name])
	}
	wantAbsent(t, store, "b")
}

func testAliasing(t *testing.T, p *place) {
	store := p.open(t)
	scribble := func(r tokens.Record) {
		r.Seeds[0], r.Pending.Owner, r.Rejected.Code, r.Previous.Generation = "x", "x", "x", 99
	}
	rec := Sample()
	saved := save(t, store, account, rec)
	want := saved.Clone()
	scribble(rec)
	wantRecord(t, load(t, store, account), want)
	scribble(saved)
	wantRecord(t, load(t, store, account), want)
	scribble(load(t, store, account))
	wantRecord(t, load(t, store, account), want)
}

func testHandles(t *testing.T, p *place) {
	a, b := p.handles(t)
	wantAbsent(t, b, account)
	first := save(t, a, account, Sample())
	wantRecord(t, load(t, b, account), first)
	second := save(t, b, account, first)
	wantConflict(t, a, first)
	wantRecord(t, load(t, a, account), second)
}
