package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pandadoc-auth-proxy/tokens"
)

const account = "acme"

func load(t *testing.T, s tokens.Store, account string) tokens.Record {
	t.Helper()
	rec, err := s.Load(t.Context(), account)
	if err != nil {
		t.Fatalf("Load(%q): %v", account, err)
	}
	if rec.Version == "" {
		t.Fatalf("Load(%q) gives a record without a version", account)
	}
	return rec
}

func save(t *testing.T, s tokens.Store, account string, rec tokens.Record) tokens.Record {
	t.Helper()
	saved, err := s.Save(t.Context(), account, rec)
	if err != nil {
		t.Fatalf("Save(%q): %v", account, err)
	}
	if saved.Version == "" {
		t.Fatalf("Save(%q) gives a record without a version", account)
	}
	return saved
}

func wantConflict(t *testing.T, s tokens.Store, rec tokens.Record) {
	t.Helper()
	if _, err := s.Save(t.Context(), account, rec); !errors.Is(err, tokens.ErrConflict) {
		t.Fatalf("Save of version %q: got %v, want ErrConflict", rec.Version, err)
	}
}

func wantAbsent(t *testing.T, s tokens.Store, account string) {
	t.Helper()
	if _, err := s.Load(t.Context(), account); !errors.Is(err, tokens.ErrNotFound) {
		t.Fatalf("Load(%q): got %v, want ErrNotFound", account, err)
	}
}

// wantRecord compares every field, including the version: secrets by value, times as points in time.
func wantRecord(t *testing.T, got, want tokens.Record) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(tokens.Record{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the record differs (-want +got):\n%s", d)
	}
}

// based returns rec as the successor of the stored record with this version.
func based(rec tokens.Record, version string) tokens.Record {
	rec = rec.Clone()
	rec.Version = version
	return rec
}
