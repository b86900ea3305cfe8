package stores_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/cli"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// vault is a store that a package of its own would hold: it can neither list nor lock.
type vault struct {
	records tokens.Store
	locked  bool
}

func (v *vault) Load(ctx context.Context, account string) (tokens.Record, error) {
	if v.locked {
		return tokens.Record{}, problem.Mistake("the vault is locked", "unlock the vault")
	}
	return v.records.Load(ctx, account)
}

func (v *vault) Save(ctx context.Context, account string, rec tokens.Record) (tokens.Record, error) {
	if v.locked {
		return tokens.Record{}, errors.New("the vault is locked")
	}
	return v.records.Save(ctx, account, rec)
}

// withVault is the table with one line more.
func withVault(records tokens.Store) stores.Table {
	open := func(_ context.Context, rest string, _ stores.Options) (stores.Store, error) {
		v := &vault{records, rest == "locked"}
		s := stores.Store{Records: v, Name: "vault:" + rest, Abilities: stores.Abilities{Persistent: rest != "gone"}}
		if v.locked {
			_, s.Limited = v.Load(context.Background(), "default")
		}
		return s, nil
	}
	return append(stores.Known(), stores.Kind{
		Scheme: "vault", Forms: []string{"vault:NAME"}, About: "in a vault", Check: func(string) error { return nil }, Open: open,
	})
}

// output may be read while the program writes.
type output struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// A store is one line of the table. Commands, hints and /readyz speak of it by its own name and abilities: the
// first version called every store without a directory "memory".
func TestAStoreIsOneLine(t *testing.T) {
	table := withVault(tokens.NewMemory())
	environ := []string{
		"HOME=" + t.TempDir(), "PANDADOC_ADMIN_SOCKET=none", "PANDADOC_ADMIN_LISTEN=none", "PANDADOC_CLIENT_ID=id",
		"PANDADOC_CLIENT_SECRET=secret", "PANDADOC_API_URL=http://127.0.0.1:1", "PANDADOC_TOKEN_URL=http://127.0.0.1:1/t",
	}
	for _, row := range []struct {
		args   string
		status int
		want   []string
		not    string
	}{
		{"status --store vault:safe", 3, []string{"store vault:safe", "account default: login-required (not-signed-in)"}, "memory"},
		{"doctor --store vault:safe", 3, []string{"vault:safe can be read and written"}, "locked"},
		{"doctor --store vault:gone", 3, []string{"vault:gone can be read and written, and is lost when its proxy ends"}, "memory"},
		{"doctor --store vault:locked", 1, []string{"the vault is locked", "fix: unlock the vault"}, "memory"},
		{"status --store vault:locked", 1, []string{"account default: unavailable (store-unavailable)", "the vault is locked"}, "memory"},
		{"refresh --store vault:gone", 1, []string{"the store vault:gone is lost when its proxy ends"}, "memory"},
		{"serve --store vaul:safe", 2, []string{"vaul: is not a store", "vault:NAME"}, ""},
		{"serve --help", 0, []string{"vault:NAME (in a vault)"}, ""},
	} {
		t.Run(row.args, func(t *testing.T) {
			var out output
			got := cli.Run(t.Context(), cli.Env{Args: strings.Fields(row.args), Environ: environ, Stdout: &out, Stderr: &out, Stores: table})
			if got != row.status {
				t.Errorf("got exit status %d, want %d", got, row.status)
			}
			// Help is wrapped.
			text := strings.Join(strings.Fields(out.String()), " ")
			for _, want := range row.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in\n%s", want, out.String())
				}
			}
			if row.not != "" && strings.Contains(text, row.not) {
				t.Errorf("%q is in\n%s", row.not, out.String())
			}
		})
	}
}

func TestReadinessNamesTheStoresTrouble(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var log output
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, cli.Env{
			Args: strings.Fields("serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --admin-socket none --store vault:locked"), Environ: []string{"HOME=" + t.TempDir()},
			Stdout: io.Discard, Stderr: &log, Stores: withVault(tokens.NewMemory()),
		})
	}()
	admin := regexp.MustCompile(`admin on (\S+)`)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for admin.FindStringSubmatch(log.String()) == nil {
		select {
		case status := <-ended:
			t.Fatalf("ended with %d\n%s", status, log.String())
		case <-tick.C:
		}
	}
	answer, err := http.Get(admin.FindStringSubmatch(log.String())[1] + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"store-unavailable", "pandadoc-auth-proxy doctor"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("/readyz: %q is not in %s", want, body)
		}
	}
	if !strings.Contains(log.String(), `hint="unlock the vault"`) {
		t.Errorf("the store's own hint is not in the log:\n%s", log.String())
	}
	stop()
	if status := <-ended; status != 0 {
		t.Errorf("got exit status %d", status)
	}
}
