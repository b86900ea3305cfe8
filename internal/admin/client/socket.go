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

// card describes the proxy that has an admin socket. It is in a file beside the socket, so that a command finds
// the right one of several proxies.
type card struct {
	Socket string   `json:"socket"`
	Admin  []string `json:"admin"` // where the admin listener is; empty if there is none
	Store  string   `json:"store,omitempty"`
	User   string   `json:"user"`
	Host   string   `json:"host"` // a state directory may be shared by machines
}

// Offer opens the admin socket of a proxy: at path, or if that is empty in the first of dirs that this user can
// write. admin and proxied are the addresses on which the proxy listens, store is the store that it uses. It returns
// nil if path is "none".
//
// A socket is in a directory that only this user can enter, and only this user can connect to it. So nobody
// else can answer a command's requests.
func Offer(ctx context.Context, path string, dirs, admin, proxied []string, store string) (net.Listener, error) {
	if path == NoSocket {
		return nil, nil
	}
	host := hostName()
	c := card{Socket: path, Admin: admin, Store: store, User: userName(os.Geteuid()), Host: host}
	if path != "" {
		return c.open(ctx)
	}
	for _, dir := range dirs {
		if private(dir) {
			removeDead(ctx, dir, host)
		}
	}
	hash := sha256.Sum256([]byte(strings.Join(slices.Concat(admin, proxied, []string{host}), " ")))
	var errs []error
	for _, dir := range dirs {
		err := makePrivate(dir)
		if err == nil {
			c.Socket = filepath.Join(dir, "admin-"+hex.EncodeToString(hash[:6])+".sock")
			var l net.Listener
			if l, err = c.open(ctx); err == nil {
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

// open opens the socket, and writes the card once commands can be answered.
func (c card) open(ctx context.Context) (net.Listener, error) {
	address, err := listen.Parse("unix:" + c.Socket)
	if err != nil {
		return nil, err
	}
	open, err := address.Open(ctx)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(cardPath(c.Socket), append(data, '\n'), 0o600)
	}
	if err != nil {
		open[0].Close()
		return nil, err
	}
	return offered{open[0], cardPath(c.Socket)}, nil
}

func cardPath(socket string) string { return strings.TrimSuffix(socket, ".sock") + ".json" }

func socketPath(card string) string { return strings.TrimSuffix(card, ".json") + ".sock" }

// hostName returns "" for a machine without a name: then only addresses and stores tell proxies apart.
func hostName() string {
	host, _ := os.Hostname()
	return host
}

// removeDead removes what killed proxies of this machine have left in dir.
func removeDead(ctx context.Context, dir, host string) {
	for _, path := range cardsIn([]string{dir}) {
		c, ok := readCard(path)
		at, err := listen.Parse("unix:" + socketPath(path))
		if !ok || c.Host != host || err != nil {
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

// offered removes the card when it is closed. The socket removes itself.
type offered struct {
	net.Listener
	card string
}

func (o offered) Close() error {
	os.Remove(o.card)
	return o.Listener.Close()
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
		found, err := s.findIn(ctx, dirs, func(c card) bool { other = c.Store; return true })
		if err == nil {
			found.Close()
			return nil, problem.WithHint(fmt.Errorf("the running proxy uses the store %s, and this command would use %s", other, s.Store),
				fmt.Sprintf("add --store %s for the accounts of that proxy, or --admin-socket none for those in %s", problem.Quote(other), s.Store))
		}
	}
	return nil, s.otherUser()
}

// usesStore reports whether the proxy uses the store, if that matters.
func (s Search) usesStore(c card) bool { return s.Admin != nil || s.Store == "" || c.Store == s.Store }

// findIn returns a client of the first proxy that matches and has its admin socket in one of dirs, or ErrNoProxy.
func (s Search) findIn(ctx context.Context, dirs []string, match func(card) bool) (*Client, error) {
	host := hostName()
	for _, path := range cardsIn(dirs) {
		c, ok := readCard(path)
		if !ok || c.Host != host || !c.serves(s.Admin) || !match(c) {
			continue
		}
		if found, err := connect(ctx, socketPath(path), "proxy"+c.where()); !errors.Is(err, ErrNoProxy) {
			return found, err
		}
	}
	return nil, ErrNoProxy
}

func cardsIn(dirs []string) (all []string) {
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

func readCard(path string) (c card, ok bool) {
	data, err := os.ReadFile(path)
	return c, err == nil && json.Unmarshal(data, &c) == nil
}

// serves reports whether the proxy's admin listener is the one at a.
func (c card) serves(a *listen.Address) bool {
	if a == nil {
		return len(c.Admin) == 0
	}
	return slices.ContainsFunc(c.Admin, func(text string) bool {
		at, err := listen.Parse(text)
		if err != nil || at.Path != "" || a.Path != "" {
			return err == nil && at == *a
		}
		port := func(a listen.Address) string { return strconv.Itoa(int(a.Port)) }
		return at.Reaches(a.Host, port(*a)) || a.Reaches(at.Host, port(at))
	})
}

func (c card) where() string {
	if len(c.Admin) == 0 {
		return ""
	}
	return " on " + c.Admin[0]
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
