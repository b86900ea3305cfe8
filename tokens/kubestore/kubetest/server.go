// Package kubetest is a Kubernetes API server for tests. It supports only the Secrets of one namespace, and is
// stricter than a real server:
//
//	server := kubetest.Start(t, kubetest.Everything)
//	store, err := kubestore.Open(kubestore.Options{URL: server.URL(), Namespace: "tools"})
//
// It answers 409 to old versions, 403 to requests without the right, 410 to watches from a version that is too
// old, and 422 to a PUT without resourceVersion or with missing fields. Faults make it lose a
// request, carry one out late or twice, cut the connection instead of answering, or answer 503.
package kubetest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Namespace is the only namespace.
const Namespace = "tools"

// Rights are the rights of the client: a verb, or a verb with the name of one Secret, as in "get:acme".
type Rights []string

// Everything has all rights that a store may need.
var Everything = Rights{"get", "list", "watch", "create", "update"}

// Named returns only the rights for Secrets that exist already.
func Named(names ...string) (r Rights) {
	for _, name := range names {
		r = append(r, "get:"+name, "update:"+name, "watch:"+name)
	}
	return r
}

// Secret is the content of a Secret, without its name and version.
type Secret map[string]any

// Server is the API server. Its methods may be called concurrently.
type Server struct {
	t    *testing.T
	http *httptest.Server

	mu       sync.Mutex // guards the fields below
	rights   Rights
	token    string // that a client must send; empty for none
	secrets  map[string]Secret
	version  int // of the newest change
	oldest   int // older versions are not known any more
	history  []event
	changed  chan struct{} // closed and replaced at each change
	faults   []Fault
	away     bool
	hung     chan struct{}  // requests and watches wait until it is closed; nil if they need not
	requests map[string]int // by verb
	watches  map[chan struct{}]bool
}

type event struct {
	kind    string
	name    string
	version int
	object  Secret
}

// Start starts a server that ends with the test.
func Start(t *testing.T, rights Rights) *Server {
	t.Helper()
	s := newServer(t, rights)
	s.http.Start()
	return s
}

// StartTLS starts a server that speaks TLS, and returns the certificate to trust, as PEM.
func StartTLS(t *testing.T, rights Rights) (*Server, []byte) {
	t.Helper()
	s := newServer(t, rights)
	s.http.EnableHTTP2 = true
	s.http.StartTLS()
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

func newServer(t *testing.T, rights Rights) *Server {
	t.Helper()
	s := &Server{
		t: t, rights: rights, secrets: map[string]Secret{}, version: 1000, oldest: 1000,
		changed: make(chan struct{}), requests: map[string]int{}, watches: map[chan struct{}]bool{},
	}
	s.http = httptest.NewUnstartedServer(s.routes())
	t.Cleanup(func() {
		s.CutWatches()
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// URL returns the address of the server.
func (s *Server) URL() *url.URL {
	u, err := url.Parse(s.http.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// Allow changes the rights.
func (s *Server) Allow(rights Rights) { s.locked(func() { s.rights = rights }) }

// RequireToken makes the server refuse all other tokens.
func (s *Server) RequireToken(token string) { s.locked(func() { s.token = token }) }

func (s *Server) locked(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Put creates or changes a Secret, like another client.
func (s *Server) Put(name string, change func(Secret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret := clone(s.secrets[name])
	if secret == nil {
		secret = Secret{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": map[string]any{"name": name, "namespace": Namespace}}
	}
	change(secret)
	s.storeLocked(name, secret)
}

// Get returns a Secret, or nil if there is none.
func (s *Server) Get(name string) Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return clone(s.secrets[name])
}

// Names returns the names of all Secrets.
func (s *Server) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.secrets))
}

// Dump returns all Secrets in the form that etcd stores.
func (s *Server) Dump() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(s.secrets)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// Requests returns the number of requests by verb.
func (s *Server) Requests() (total int, byVerb map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.requests {
		total += n
	}
	return total, maps.Clone(s.requests)
}

func clone(s Secret) Secret {
	if s == nil {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var c Secret
	if err := json.Unmarshal(text, &c); err != nil {
		panic(err)
	}
	return c
}

func (s Secret) metadata() map[string]any {
	m, _ := s["metadata"].(map[string]any)
	return m
}

func (s *Server) storeLocked(name string, secret Secret) {
	kind := "ADDED"
	if s.secrets[name] != nil {
		kind = "MODIFIED"
	}
	s.secrets[name] = secret
	s.changedLocked(kind, name, secret)
}

// changedLocked gives secret the next version, and tells the watches what happened to it.
func (s *Server) changedLocked(kind, name string, secret Secret) {
	s.version++
	secret.metadata()["resourceVersion"] = strconv.Itoa(s.version)
	s.history = append(s.history, event{kind, name, s.version, clone(secret)})
	close(s.changed)
	s.changed = make(chan struct{})
}

// Delete removes a Secret, like an operator.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := s.secrets[name]
	delete(s.secrets, name)
	s.changedLocked("DELETED", name, gone)
}

// routes serves /api/v1/namespaces/NAMESPACE/secrets.
func (s *Server) routes() http.Handler {
	const secrets = " /api/v1/namespaces/{namespace}/secrets"
	mux := http.NewServeMux()
	for pattern, verb := range map[string]string{
		"GET" + secrets: "list", "POST" + secrets: "create", "GET" + secrets + "/{name}": "get", "PUT" + secrets + "/{name}": "update",
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.URL.Query().Get("watch") != "" {
				s.serve(w, r, "watch")
			} else {
				s.serve(w, r, verb)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, "the server could not find the requested resource")
	})
	return mux
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, verb string) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	s.wait(r)
	s.mu.Lock()
	s.requests[verb]++
	away, token, allowed := s.away, s.token, s.allowsLocked(verb, name, r.URL.Query())
	s.mu.Unlock()
	switch {
	case away:
		panic(http.ErrAbortHandler)
	case token != "" && r.Header.Get("Authorization") != "Bearer "+token:
		answer(w, http.StatusUnauthorized, "Unauthorized")
	case !allowed || namespace != Namespace && verb != "create":
		answer(w, http.StatusForbidden, fmt.Sprintf("secrets %q is forbidden: User cannot %s resource \"secrets\" in API group \"\" in the namespace %q", name, verb, namespace))
	case namespace != Namespace:
		answer(w, http.StatusNotFound, fmt.Sprintf("namespaces %q not found", namespace))
	case verb == "get":
		s.get(w, name)
	case verb == "list":
		s.list(w, r)
	case verb == "watch":
		s.follow(w, r)
	default:
		s.write(w, r, verb, name)
	}
}

// allowsLocked accepts a list or a watch of one name with the right for that Secret.
func (s *Server) allowsLocked(verb, name string, query url.Values) bool {
	if n, ok := strings.CutPrefix(query.Get("fieldSelector"), "metadata.name="); ok {
		name = n
	}
	return slices.Contains(s.rights, verb) || name != "" && slices.Contains(s.rights, verb+":"+name)
}

// answer writes a Status object, the form of every refusal of an API server.
func answer(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
	})
}

func (s *Server) get(w http.ResponseWriter, name string) {
	secret := s.Get(name)
	if secret == nil {
		answer(w, http.StatusNotFound, fmt.Sprintf("secrets %q not found", name))
		return
	}
	_ = json.NewEncoder(w).Encode(secret)
}

// write serves POST and PUT, with the next fault.
func (s *Server) write(w http.ResponseWriter, r *http.Request, verb, name string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fault := None
	dry := r.URL.Query().Get("dryRun") == "All"
	if !dry {
		s.mu.Lock()
		if len(s.faults) > 0 {
			fault, s.faults = s.faults[0], s.faults[1:]
		}
		s.mu.Unlock()
	}
	switch fault {
	case Lost:
		panic(http.ErrAbortHandler)
	case Busy:
		answer(w, http.StatusServiceUnavailable, "etcdserver: leader changed")
		return
	case Late:
		time.Sleep(time.Second)
	case Twice:
		s.apply(httptest.NewRecorder(), body, verb, name, dry)
	case Unanswered:
		s.apply(httptest.NewRecorder(), body, verb, name, dry)
		panic(http.ErrAbortHandler)
	}
	s.apply(w, body, verb, name, dry)
}

func (s *Server) apply(w http.ResponseWriter, body []byte, verb, name string, dry bool) {
	var secret Secret
	if err := json.Unmarshal(body, &secret); err != nil || secret["kind"] != "Secret" || secret["apiVersion"] != "v1" || secret.metadata() == nil {
		answer(w, http.StatusUnprocessableEntity, "no Secret")
		return
	}
	named, _ := secret.metadata()["name"].(string)
	version, _ := secret.metadata()["resourceVersion"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.secrets[named]
	switch {
	case verb == "update" && (named != name || version == ""):
		answer(w, http.StatusUnprocessableEntity, "metadata.resourceVersion: Required value")
		return
	case verb == "create" && now != nil:
		answer(w, http.StatusConflict, fmt.Sprintf("secrets %q already exists", named))
		return
	case verb == "update" && now == nil:
		answer(w, http.StatusNotFound, fmt.Sprintf("secrets %q not found", named))
		return
	case verb == "update" && now.metadata()["resourceVersion"] != version:
		answer(w, http.StatusConflict, "the object has been modified; please apply your changes to the latest version")
		return
	}
	if !dry { // the result of a dry run has no version
		s.storeLocked(named, secret)
		secret = clone(secret)
	}
	if verb == "create" {
		w.WriteHeader(http.StatusCreated)
	}
	_ = json.NewEncoder(w).Encode(secret)
}
