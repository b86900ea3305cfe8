package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const (
	linkLifetime    = 10 * time.Minute
	sessionLifetime = 12 * time.Hour
	// maxCredentials limits links and sessions; a new one replaces the oldest.
	maxCredentials = 100
	maxKeyFile     = 4 << 10
)

// NewKey returns an admin key of 256 bits.
func NewKey() tokens.Secret {
	var key [32]byte
	rand.Read(key[:]) // never fails
	return tokens.NewSecret(base64.RawURLEncoding.EncodeToString(key[:]))
}

// KeyFile returns the admin key in the file at path. It creates the file if there is none. Processes that do so at the
// same time get the same key.
func KeyFile(path string) (tokens.Secret, error) {
	if key, err := ReadKey(path); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".admin-key-*") // 0600
	if err != nil {
		return tokens.Secret{}, err
	}
	defer os.Remove(f.Name())
	key := NewKey()
	_, err = io.WriteString(f, key.Reveal()+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return tokens.Secret{}, err
	}
	switch err := os.Link(f.Name(), path); { // unlike Rename, it replaces nothing
	case err == nil:
		return key, nil
	case errors.Is(err, fs.ErrExist):
		return ReadKey(path)
	}
	return key, os.Rename(f.Name(), path) // a file system without links
}

// ReadKey returns the admin key in the file at path.
func ReadKey(path string) (tokens.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return tokens.Secret{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return tokens.Secret{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return tokens.Secret{}, err
	}
	text := strings.TrimSpace(string(data))
	switch {
	case info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/':
		return tokens.Secret{}, problem.Mistake(path+": other users may read the admin key", "remove the file: the next start makes a new key")
	case len(text) < 32:
		return tokens.Secret{}, problem.Mistake(path+": this is not an admin key", "remove the file: the next start makes a new key")
	}
	return tokens.NewSecret(text), nil
}

// Link is the answer to POST /api/v1/links: an address for a browser. If the admin key is required, the address
// works once.
type Link struct {
	URL string `json:"url"`
}

// WantedLink is the body of POST /api/v1/links.
type WantedLink struct {
	// Account is the account to sign in. Empty means a link to the console.
	Account string `json:"account,omitempty"`
}

// OpenedLink is the body of POST /api/v1/session: the code of a link to the console.
type OpenedLink struct {
	Code string `json:"code"`
}

// Session is the answer to it. The browser sends it as a bearer token.
type Session struct {
	Session string `json:"session"`
}

// credentials are the issued codes of links or of sessions. Only their hashes are kept.
type credentials struct {
	lifetime time.Duration

	mu    sync.Mutex // guards known
	known []credential
}

type credential struct {
	hash    [sha256.Size]byte
	purpose string // what it is valid for
	made    time.Time
}

func (c *credentials) issue(purpose string) string {
	code := rand.Text() + rand.Text() // 260 bits
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCredentials {
		c.known = c.known[1:]
	}
	c.known = append(c.known, credential{sha256.Sum256([]byte(code)), purpose, time.Now()})
	return code
}

// findLocked returns the index of a code that is valid for purpose, or -1. It compares hashes, so that its time
// does not reveal how much of a code was right.
func (c *credentials) findLocked(code, purpose string) int {
	hash := sha256.Sum256([]byte(code))
	for i, k := range c.known {
		if k.hash == hash && k.purpose == purpose && time.Since(k.made) < c.lifetime {
			return i
		}
	}
	return -1
}

func (c *credentials) valid(code, purpose string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.findLocked(code, purpose) >= 0
}

// spend reports whether code was valid for purpose, and makes it invalid.
func (c *credentials) spend(code, purpose string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.findLocked(code, purpose)
	if i >= 0 {
		c.known = slices.Delete(c.known, i, i+1)
	}
	return i >= 0
}

// The purposes of links and sessions. A sign-in link has its account after forLogin.
const (
	forConsole = "console"
	forLogin   = "login "
)

// locked reports whether the admin key is required.
func (h *Handler) locked() bool { return !h.config.Key.IsZero() }

// hasKey reports whether r has the admin key, or a session that began with a link.
func (h *Handler) hasKey(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || given == "" {
		return false
	}
	return h.config.Key.Equal(tokens.NewSecret(given)) || h.sessions.valid(given, forConsole)
}

// needsKey reports whether r needs the admin key. Requests that do not are probes, the files of the console (which
// show no data), and requests with a protection of their own: a link, and the callback.
func (h *Handler) needsKey(r *http.Request) bool {
	path := r.URL.Path
	switch {
	case isProbe(path), path == "/", path == "/api/v1/session", path == h.config.Login.RedirectURL.Path:
		return false
	}
	return !strings.HasPrefix(path, "/console/") && !strings.HasPrefix(path, "/connect/")
}

func refuseKey(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="pandadoc-auth-proxy admin"`)
	problem.Of(problem.AdminKeyRequired).Write(w)
}

// makeLink is for the command line, and for the console's own pages.
func (h *Handler) makeLink(w http.ResponseWriter, r *http.Request) {
	var wanted WantedLink
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&wanted); err != nil {
		problem.Of(problem.InvalidInput, "reason", `send {"account": …} or {}`).Write(w)
		return
	}
	if wanted.Account == "" {
		h.linkToConsole(w)
		return
	}
	if p := h.beginProblem(r.Context(), wanted.Account); p != nil {
		p.Write(w)
		return
	}
	redirect := h.config.Login.RedirectURL
	if listen.IsLoopbackHost(redirect.Hostname()) && (h.config.Address == nil || listen.PortOf(redirect) != listen.PortOf(h.config.Address)) {
		problem.Of(problem.CallbackElsewhere, append(about(wanted.Account), "redirect", redirect.String())...).Write(w)
		return
	}
	u := url.URL{Scheme: redirect.Scheme, Host: redirect.Host, Path: "/connect/" + wanted.Account}
	if h.locked() {
		u.RawQuery = url.Values{"code": {h.links.issue(forLogin + wanted.Account)}}.Encode()
	}
	writeJSON(w, http.StatusOK, Link{u.String()})
}

// linkToConsole puts the code into the fragment, which browsers do not send.
func (h *Handler) linkToConsole(w http.ResponseWriter) {
	at := h.config.Address
	if at == nil || h.config.Proxy == nil {
		problem.Of(problem.NoAdminPort).Write(w)
		return
	}
	u := url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/"}
	if redirect := h.config.Login.RedirectURL; listen.IsLoopbackHost(redirect.Hostname()) && redirect.Scheme == at.Scheme && listen.PortOf(redirect) == listen.PortOf(at) {
		u.Host = redirect.Host // the same host as that of the callback
	}
	if h.locked() {
		u.Fragment = "/enter/" + h.links.issue(forConsole)
	}
	writeJSON(w, http.StatusOK, Link{u.String()})
}

// openLink exchanges the code of a link to the console for a session.
func (h *Handler) openLink(w http.ResponseWriter, r *http.Request) {
	var opened OpenedLink
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&opened); err != nil || !h.links.spend(opened.Code, forConsole) {
		problem.Of(problem.LinkRefused, "command", problem.Program+" console").Write(w)
		return
	}
	writeJSON(w, http.StatusOK, Session{h.sessions.issue(forConsole)})
}
