package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
)

// NoSocket is the value of --admin-socket for none.
const NoSocket = "none"

// socketInfo describes the proxy that has an admin socket. It is in a file beside the socket, so that a command finds
// the right one of several proxies.
type socketInfo struct {
	Socket string   `json:"socket"`
	Admin  []string `json:"admin"` // where the admin listener is; empty if there is none
	Store  string   `json:"store,omitempty"`
	User   string   `json:"user"`
	Host   string   `json:"host"` // a state directory may be shared by machines
}

// Socket is the admin socket of a proxy. It is in a directory that only this user can enter, and only this user can
// connect to it. So nobody else can answer a command's requests.
type Socket struct {
	Path           string   // or "none"; empty means in the first of Dirs that this user can write
	Dirs           []string // used if Path is empty
	Admin, Proxied []string // addresses on which the proxy listens
	Store          string   // that it uses
}

// Open opens the socket. It returns nil if Path is "none".
func (s Socket) Open(ctx context.Context) (net.Listener, error) {
	if s.Path == NoSocket {
		return nil, nil
	}
	host := hostName()
	si := socketInfo{Socket: s.Path, Admin: s.Admin, Store: s.Store, User: userName(os.Geteuid()), Host: host}
	if s.Path != "" {
		return si.open(ctx)
	}
	for _, dir := range s.Dirs {
		if private(dir) {
			removeStale(ctx, dir, host)
		}
	}
	hash := sha256.Sum256([]byte(strings.Join(slices.Concat(s.Admin, s.Proxied, []string{host}), " ")))
	var errs []error
	for _, dir := range s.Dirs {
		err := makePrivate(dir)
		if err == nil {
			si.Socket = filepath.Join(dir, "admin-"+hex.EncodeToString(hash[:6])+".sock")
			var l net.Listener
			if l, err = si.open(ctx); err == nil {
				return l, nil
			}
		}
		errs = append(errs, fmt.Errorf("%s: %w", dir, err))
	}
	return nil, problem.WithHint(fmt.Errorf("no admin socket: %w", errors.Join(errs...)),
		"set --admin-socket to a path that this user can write to; until then, commands cannot reach the running proxy")
}

// makePrivate makes a directory that only this user can enter.
func makePrivate(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !private(dir) {
		return errors.New("it is not a private directory of this user (mode 0700)")
	}
	return nil
}

// open opens the socket, and writes its description once commands can be answered.
func (si socketInfo) open(ctx context.Context) (net.Listener, error) {
	address, err := listen.Parse("unix:" + si.Socket)
	if err != nil {
		return nil, err
	}
	open, err := address.Open(ctx)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(si)
	if err == nil {
		err = os.WriteFile(infoPath(si.Socket), append(data, '\n'), 0o600)
	}
	if err != nil {
		open[0].Close()
		return nil, err
	}
	return openSocket{open[0], infoPath(si.Socket)}, nil
}

func infoPath(socket string) string { return strings.TrimSuffix(socket, ".sock") + ".json" }

func socketPath(info string) string { return strings.TrimSuffix(info, ".json") + ".sock" }

// hostName returns "" for a machine without a name: then only addresses and stores tell proxies apart.
func hostName() string {
	host, _ := os.Hostname()
	return host
}

// removeStale removes what killed proxies of this machine have left in dir.
func removeStale(ctx context.Context, dir, host string) {
	for _, path := range infoFiles([]string{dir}) {
		si, ok := readInfo(path)
		at, err := listen.Parse("unix:" + socketPath(path))
		if !ok || si.Host != host || err != nil {
			continue
		}
		before, _ := os.Lstat(at.Path)
		if at.TryOpen(ctx) != nil {
			continue // another process answers
		}
		if now, err := os.Lstat(at.Path); err == nil && !os.SameFile(before, now) {
			continue // another proxy has just made it
		}
		os.Remove(path)
		os.Remove(at.Path)
	}
}

// openSocket removes the description when it is closed. The socket removes itself.
type openSocket struct {
	net.Listener
	info string // path of its description
}

func (s openSocket) Close() error {
	os.Remove(s.info)
	return s.Listener.Close()
}

// Search has the places where a running proxy may be found.
type Search struct {
	Socket string          // path of its admin socket, or "none"; empty means in Dirs
	Dirs   []string        // where admin sockets are
	Admin  *listen.Address // of its admin listener; nil for none
	// Store distinguishes proxies without an admin port: a command must not change the accounts of another proxy.
	// Empty matches every store.
	Store string
	// StoreGiven is set if the user chose the store. If not, the user may have meant a proxy that uses another one.
	StoreGiven bool
	// Service is one more directory, of a service that runs as another user. Only root may set it, and only to a
	// directory below one that nobody but root can write.
	Service string
}

// Find returns a client of the running proxy that has an admin socket. It returns ErrNoProxy if there is none, and
// another error if one seems to run as another user.
func Find(ctx context.Context, s Search) (*Client, error) {
	switch s.Socket {
	case NoSocket:
		return nil, ErrNoProxy
	case "":
	default:
		return connect(ctx, s.Socket, "proxy at "+s.Socket)
	}
	dirs := slices.DeleteFunc(slices.Clone(s.Dirs), func(dir string) bool { return !private(dir) }) // others could answer there
	if s.Service != "" {
		dirs = append(dirs, s.Service)
	}
	found, err := s.findIn(ctx, dirs, s.usesStore)
	if !errors.Is(err, ErrNoProxy) {
		return found, err
	}
	if s.Admin == nil && !s.StoreGiven {
		other := ""
		found, err := s.findIn(ctx, dirs, func(si socketInfo) bool { other = si.Store; return true })
		if err == nil {
			found.Close()
			return nil, problem.WithHint(fmt.Errorf("the running proxy uses the store %s, and this command would use %s", other, s.Store),
				fmt.Sprintf("add --store %s for the accounts of that proxy, or --admin-socket none for those in %s", problem.Quote(other), s.Store))
		}
	}
	return nil, s.otherUser()
}

// usesStore reports whether the proxy uses the store, if that matters.
func (s Search) usesStore(si socketInfo) bool {
	return s.Admin != nil || s.Store == "" || si.Store == s.Store
}

// findIn returns a client of the first proxy that matches and has its admin socket in one of dirs, or ErrNoProxy.
func (s Search) findIn(ctx context.Context, dirs []string, match func(socketInfo) bool) (*Client, error) {
	host := hostName()
	for _, path := range infoFiles(dirs) {
		si, ok := readInfo(path)
		if !ok || si.Host != host || !si.serves(s.Admin) || !match(si) {
			continue
		}
		if found, err := connect(ctx, socketPath(path), "proxy"+si.where()); !errors.Is(err, ErrNoProxy) {
			return found, err
		}
	}
	return nil, ErrNoProxy
}

func infoFiles(dirs []string) (all []string) {
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // a directory that cannot be read holds no socket of ours
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "admin") && strings.HasSuffix(e.Name(), ".json") {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

func readInfo(path string) (si socketInfo, ok bool) {
	data, err := os.ReadFile(path)
	return si, err == nil && json.Unmarshal(data, &si) == nil
}

// serves reports whether the proxy's admin listener is the one at a.
func (si socketInfo) serves(a *listen.Address) bool {
	if a == nil {
		return len(si.Admin) == 0
	}
	return slices.ContainsFunc(si.Admin, func(text string) bool {
		at, err := listen.Parse(text)
		if err != nil || at.Path != "" || a.Path != "" {
			return err == nil && at == *a
		}
		port := func(a listen.Address) string { return strconv.Itoa(int(a.Port)) }
		return at.Reaches(a.Host, port(*a)) || a.Reaches(at.Host, port(at))
	})
}

func (si socketInfo) where() string {
	if len(si.Admin) == 0 {
		return ""
	}
	return " on " + si.Admin[0]
}

// otherUser returns an error that names the user who listens at the admin address, or ErrNoProxy if no other
// user does. It sends no request there, because any user could run another program in place of the proxy.
func (s Search) otherUser() error {
	if s.Admin == nil || s.Admin.Path != "" || s.Admin.Port == 0 {
		return ErrNoProxy
	}
	uid, ok := listen.Owner(*s.Admin)
	if !ok || uid == os.Geteuid() {
		return ErrNoProxy
	}
	name := userName(uid)
	return problem.WithHint(fmt.Errorf("user %s listens on %s, and this command runs as %s", name, s.Admin, userName(os.Geteuid())),
		fmt.Sprintf("if that is the proxy, run the command as its user, like: sudo -u %s %s status; otherwise add --admin-listen none", name, problem.Program))
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return problem.Line(u.Username)
	}
	return strconv.Itoa(uid)
}
