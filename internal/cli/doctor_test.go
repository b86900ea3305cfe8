package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/doctor"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

func TestDoctorEndsAsStatusDoes(t *testing.T) {
	for _, row := range []struct {
		name string
		in   doctor.Report
		want int
	}{
		{"all is well", doctor.Report{}, exitOK},
		{"only a warning", doctor.Report{Warnings: 1}, exitOK},
		{"a failure", doctor.Report{Failed: 1, Warnings: 1}, exitFailed},
		{"an account without a login", doctor.Report{Failed: 1, Login: true}, exitLoginRequired},
	} {
		check(t, row.name, doctorStatus(row.in), row.want)
	}
}

// fillingStore is full from a moment on.
type fillingStore struct {
	*tokens.Memory
	full *atomic.Bool
}

func (s fillingStore) Save(ctx context.Context, account string, rec tokens.Record) (tokens.Record, error) {
	if s.full.Load() {
		return tokens.Record{}, errors.New("the disk is full")
	}
	return s.Memory.Save(ctx, account, rec)
}

// proxyWithFullStore runs the program with a store that is full as soon as the refresh token was used.
func proxyWithFullStore(t *testing.T, command string, after ...string) (status int, stdout, stderr string) {
	store := fillingStore{tokens.NewMemory(), new(atomic.Bool)}
	if _, err := store.Save(t.Context(), tokens.DefaultAccount, tokens.Record{
		Generation: 1, AccessToken: tokens.NewSecret("access"), RefreshToken: tokens.NewSecret("refresh"), ObtainedAt: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			store.full.Store(true)
			io.WriteString(w, `{"access_token":"access2","refresh_token":"refresh2","expires_in":3600}`)
		case r.Header.Get("Authorization") == "Bearer access":
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	kind := stores.Kind{
		Scheme: "filling", Forms: []string{"filling:"}, Check: func(string) error { return nil },
		Open: func(context.Context, string, stores.Options) (stores.Store, error) {
			return stores.Store{Records: store, Name: "filling:", Abilities: stores.Abilities{Persistent: true}}, nil
		},
	}
	var out, text strings.Builder
	status = Run(t.Context(), Env{
		Args: append(strings.Fields(command+" --store filling: --admin-socket none --admin-listen none --temp-dir "+t.TempDir()+
			" --api-url "+server.URL+" --token-url "+server.URL), after...),
		Environ: []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=secret"},
		Stdout:  &out, Stderr: &text,
		Stores: stores.Table{kind},
	})
	return status, out.String(), text.String()
}

// doctor --refresh said that an account has new tokens, although the store could not save them.
func TestDoctorReportsTokensThatWereNotSaved(t *testing.T) {
	t.Parallel() // it waits for the store
	_, out, _ := proxyWithFullStore(t, "doctor --refresh")
	if !strings.Contains(out, "because the store could not save them") || !strings.Contains(out, "fix: "+stores.Fix) {
		t.Errorf("got\n%s", out)
	}
}

// If the program that run started failed, what the proxy had to say at its end was lost.
func TestRunReportsTokensThatWereNotSaved(t *testing.T) {
	t.Parallel() // it waits for the store
	status, _, text := proxyWithFullStore(t, "run --drain-timeout 0s --log-level error", "--", "sh", "-c", "get $PANDADOC_BASE_URL/; exit 7")
	check(t, "status", status, 7)
	if !strings.Contains(text, "because the store could not save them") {
		t.Errorf("got\n%s", text)
	}
}
