package kubestore_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/kubestore"
	"pandadoc-auth-proxy/tokens/kubestore/kubetest"
	"pandadoc-auth-proxy/tokens/storetest"
)

const (
	account = "acme"
	name    = "pandadoc-auth-proxy-acme"
)

func open(t *testing.T, o kubestore.Options) *kubestore.Store {
	t.Helper()
	if o.Namespace == "" {
		o.Namespace = kubetest.Namespace
	}
	s, err := kubestore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openAt(t *testing.T, server *kubetest.Server) *kubestore.Store {
	t.Helper()
	return open(t, kubestore.Options{URL: server.URL()})
}

func save(t *testing.T, s tokens.Store, rec tokens.Record) tokens.Record {
	t.Helper()
	saved, err := s.Save(t.Context(), account, rec)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func wantVersion(t *testing.T, s tokens.Store, want tokens.Record) {
	t.Helper()
	if got, err := s.Load(t.Context(), account); err != nil || got.Version != want.Version {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// wantError checks that err contains text, and that its hint contains hint.
func wantError(t *testing.T, err error, text, hint string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(problem.HintOf(err), hint) {
		t.Errorf("got %v with hint %q, want %q with hint %q", err, problem.HintOf(err), text, hint)
	}
}

func TestStore(t *testing.T) {
	suite(t, func(t *testing.T) *url.URL { return kubetest.Start(t, kubetest.Everything).URL() }, kubetest.Namespace)
}

// The same suite with a real API server.
func TestStoreOverARealServer(t *testing.T) {
	text := os.Getenv("PANDADOC_TEST_KUBERNETES_URL")
	if text == "" {
		t.Skip("PANDADOC_TEST_KUBERNETES_URL names no API server")
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	suite(t, func(*testing.T) *url.URL { return u }, "default")
}

func suite(t *testing.T, server func(*testing.T) *url.URL, namespace string) {
	t.Helper()
	storetest.Suite{Lists: true, Checks: true, Watches: true, New: func(t *testing.T) storetest.Place {
		u, prefix := server(t), "test-"+strings.ToLower(rand.Text()[:8])
		secrets := u.JoinPath("api/v1/namespaces", namespace, "secrets")
		return storetest.Place{
			Server: u.Host,
			Open: func(t *testing.T, via string, keys *tokens.Codec) tokens.Store {
				at := *u
				at.Host = via
				return open(t, kubestore.Options{URL: &at, Namespace: namespace, Prefix: prefix, Codec: keys})
			},
			Read: func(t *testing.T, account string) []byte {
				var found secret
				call(t, http.MethodGet, secrets.JoinPath(prefix+"-"+account), nil, &found)
				return found.Data["record"]
			},
			Write: func(t *testing.T, account string, data []byte) {
				written := secret{Kind: "Secret", API: "v1", Data: map[string][]byte{"record": data}}
				written.Metadata.Name = prefix + "-" + account
				at := secrets.JoinPath(written.Metadata.Name)
				if call(t, http.MethodPost, secrets, written, nil) == http.StatusConflict {
					call(t, http.MethodGet, at, nil, &written)
					written.Data["record"] = data
					call(t, http.MethodPut, at, written, nil)
				}
			},
		}
	}}.Run(t)
}

// secret has the fields of a Secret that the suite needs.
type secret struct {
	Kind     string `json:"kind"`
	API      string `json:"apiVersion"`
	Metadata struct {
		Name    string            `json:"name"`
		Labels  map[string]string `json:"labels,omitempty"`
		Version string            `json:"resourceVersion,omitempty"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data"`
}

// call makes a request as kubectl would, and returns the status of the answer.
func call(t *testing.T, method string, at *url.URL, body any, into *secret) int {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, at.String(), bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if into != nil {
		err = json.NewDecoder(answer.Body).Decode(into)
	}
	if err != nil || answer.StatusCode >= 400 && answer.StatusCode != http.StatusConflict {
		t.Fatalf("%s %s: %v, %v", method, at, answer.Status, err)
	}
	return answer.StatusCode
}

func TestNamedRightsAreEnoughForPreparedSecrets(t *testing.T) {
	server := kubetest.Start(t, kubetest.Named(name))
	server.Put(name, func(kubetest.Secret) {})
	s := openAt(t, server)
	if _, err := s.Load(t.Context(), account); !errors.Is(err, tokens.ErrNotFound) {
		t.Fatalf("a prepared Secret: got %v, want ErrNotFound", err)
	}
	saved := save(t, s, storetest.Sample())
	wantVersion(t, openAt(t, server), saved)
	if names, err := s.Accounts(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("without the right to list: got %v, %v", names, err)
	}
}

func TestOnlyOurKeyIsTouched(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	server.Put(name, func(secret kubetest.Secret) {
		secret["data"] = map[string]any{"theirs": "eA=="}
		m := secret["metadata"].(map[string]any)
		m["labels"] = map[string]any{"team": "sales"}
		m["annotations"] = map[string]any{"note": "kept"}
		m["ownerReferences"] = []any{map[string]any{"kind": "Thing"}}
		secret["fromTheFuture"] = map[string]any{"deep": []any{1.0, "two"}}
	})
	save(t, openAt(t, server), storetest.Sample())
	text := string(server.Dump())
	for _, kept := range []string{`"theirs":"eA=="`, `"team":"sales"`, `"note":"kept"`, `"ownerReferences":[{"kind":"Thing"}]`, `"fromTheFuture":{"deep":[1,"two"]}`, `"record":"`} {
		if !strings.Contains(text, kept) {
			t.Errorf("%s is not in %s", kept, text)
		}
	}
}

// If a label changes between reading and writing, the record is not in conflict.
func TestALabelOfOthersIsNoConflict(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	s := openAt(t, server)
	rec := save(t, s, storetest.Sample())
	server.Put(name, func(secret kubetest.Secret) {
		secret["metadata"].(map[string]any)["labels"].(map[string]any)["team"] = "sales"
	})
	wantVersion(t, s, save(t, s, rec))
}

func TestWhatOthersHaveWrittenIsLeftAlone(t *testing.T) {
	for _, row := range []struct {
		name, error, hint string
		change            func(kubetest.Secret)
	}{
		{"another type", "kubernetes.io/tls", "another prefix", func(s kubetest.Secret) { s["type"] = "kubernetes.io/tls" }},
		{"immutable", "immutable", "another prefix", func(s kubetest.Secret) { s["immutable"] = true }},
		{"another store", `account "me" of the store "pandadoc-auth-proxy-ac"`, "another prefix", func(s kubetest.Secret) {
			s["metadata"].(map[string]any)["labels"] = map[string]any{"pandadoc-auth-proxy/store": "pandadoc-auth-proxy-ac", "pandadoc-auth-proxy/account": "me"}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := kubetest.Start(t, kubetest.Everything)
			server.Put(name, row.change)
			before := string(server.Dump())
			s := openAt(t, server)
			_, err := s.Load(t.Context(), account)
			wantError(t, err, row.error, row.hint)
			if _, err := s.Save(t.Context(), account, storetest.Sample()); err == nil {
				t.Error("a save has replaced it")
			}
			if after := string(server.Dump()); after != before {
				t.Errorf("it was %s and is %s", before, after)
			}
		})
	}
}

func TestWrongRightsAndPlaces(t *testing.T) {
	for _, row := range []struct {
		name, error, hint string
		rights            kubetest.Rights
		change            func(*kubestore.Options)
	}{
		{"no rights", "cannot get", "allow get, update and watch", nil, func(*kubestore.Options) {}},
		{"no right to create", "cannot create", "create secret generic " + name, kubetest.Named(name), func(*kubestore.Options) {}},
		{"wrong namespace", `cannot get resource "secrets" in API group "" in the namespace "elsewhere"`, "check the namespace", kubetest.Everything, func(o *kubestore.Options) { o.Namespace = "elsewhere" }},
		{"wrong token", "Unauthorized", "serviceAccountName", kubetest.Everything, func(o *kubestore.Options) {
			o.Token = func() (tokens.Secret, error) { return tokens.NewSecret("stale-token"), nil }
		}},
		{"nothing there", "connection refused", "127.0.0.1:1", nil, func(o *kubestore.Options) { o.URL = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := kubetest.Start(t, row.rights)
			o := kubestore.Options{URL: server.URL()}
			row.change(&o)
			if o.Token != nil {
				server.RequireToken("fresh-token")
			}
			_, err := open(t, o).Save(t.Context(), account, storetest.Sample())
			wantError(t, err, row.error, row.hint)
			if strings.Contains(err.Error(), "stale-token") {
				t.Errorf("%v shows the token", err)
			}
		})
	}
}

// Another server at the address of the API server answered {}: the store took that for a Secret, and a save panicked.
func TestAnswersThatAreNoSecret(t *testing.T) {
	for _, answer := range []string{`{}`, `null`, `[]`, `{"metadata":{}}`, `{"Metadata":{"name":"x"}}`, `{"metadata":null,"status":"ok"}`, `hello`} {
		t.Run(answer, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) }))
			defer server.Close()
			u, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			_, err = open(t, kubestore.Options{URL: u}).Save(t.Context(), account, storetest.Sample())
			wantError(t, err, "not from a Kubernetes API", "check")
		})
	}
}

// A save is done exactly once, even if its answer is lost, and the store knows that it is done.
func TestFaultsOfTheServer(t *testing.T) {
	for _, row := range []struct {
		name   string
		faults []kubetest.Fault
	}{
		{"done twice", []kubetest.Fault{kubetest.Twice}},
		{"late", []kubetest.Fault{kubetest.Late}},
		{"busy", []kubetest.Fault{kubetest.Busy, kubetest.Busy}},
		{"one after the other", []kubetest.Fault{kubetest.Busy, kubetest.Lost, kubetest.Unanswered}},
	} {
		for _, how := range []string{"create", "update"} {
			t.Run(row.name+"/"+how, func(t *testing.T) {
				server := kubetest.Start(t, kubetest.Everything)
				s := openAt(t, server)
				rec := storetest.Sample()
				if how == "update" {
					rec = save(t, s, rec)
				}
				server.Meet(row.faults...)
				wantVersion(t, openAt(t, server), save(t, s, rec))
			})
		}
	}
}

// A pod needs no settings: address, root, token and namespace are where Kubernetes puts them, and all may change.
func TestAPodFindsEverythingByItself(t *testing.T) {
	server, root := kubetest.StartTLS(t, kubetest.Everything)
	dir := t.TempDir()
	write := func(file, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("namespace", kubetest.Namespace)
	write("token", "first\n")
	write("ca.crt", string(root))
	server.RequireToken("first")
	environment := map[string]string{"KUBERNETES_SERVICE_HOST": server.URL().Hostname(), "KUBERNETES_SERVICE_PORT": server.URL().Port()}
	s, err := kubestore.Open(kubestore.Options{AccountDir: dir, Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Name(); got != "kubernetes:tools/pandadoc-auth-proxy" {
		t.Errorf("got name %q", got)
	}
	reports := watch(t, s)
	rec := save(t, s, storetest.Sample())
	server.RequireToken("second")
	write("token", "second\n")
	rec = save(t, s, rec)
	write("ca.crt", "no certificate")
	_, err = s.Load(t.Context(), account)
	wantError(t, err, "contains no certificate", "")
	write("ca.crt", string(root)+"\n")
	save(t, s, rec)
	server.Delete(name)
	reports.Changed(t, account, "")
}

func TestOutsideOfAClusterTheHintNamesKubectlProxy(t *testing.T) {
	_, err := kubestore.Open(kubestore.Options{})
	wantError(t, err, "KUBERNETES_SERVICE_HOST", "kubectl proxy")
}

func TestCheckNamesMissingRights(t *testing.T) {
	const own = "pandadoc-auth-proxy-default"
	server := kubetest.Start(t, kubetest.Rights{"get", "watch"})
	s := openAt(t, server)
	wantError(t, s.Check(t.Context(), ""), "cannot create", "create secret generic "+own)
	server.Put(own, func(kubetest.Secret) {})
	wantError(t, s.Check(t.Context(), ""), "cannot update", "allow get, update and watch")
	server.Allow(kubetest.Named(own))
	before := string(server.Dump())
	if err := s.Check(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if after := string(server.Dump()); after != before {
		t.Errorf("the check has changed %s to %s", before, after)
	}
}

// Rights for the Secret of one account in use are enough, even if it is not the default account.
func TestTheCheckNeedsNoDefaultAccount(t *testing.T) {
	server := kubetest.Start(t, kubetest.Named(name))
	server.Put(name, func(kubetest.Secret) {})
	s := openAt(t, server)
	wantError(t, s.Check(t.Context(), ""), "cannot get", "pandadoc-auth-proxy-default")
	_, _ = s.Load(t.Context(), account) // now it is in use
	if err := s.Check(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{"": "|", "a": "|a", "ns/": "ns|", "ns/a-b": "ns|a-b", "/a": "error", "A": "error", "a/b/c": "error", "ns/a_b": "error"} {
		namespace, prefix, err := kubestore.Parse(text)
		got := namespace + "|" + prefix
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
