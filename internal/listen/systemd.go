package listen

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
)

// firstInherited is the first descriptor that systemd passes (sd_listen_fds(3)).
const firstInherited = 3

// Inherited returns the sockets that systemd opened for this process (socket activation, sd_listen_fds(3)), if any.
// pid is the number of this process.
func Inherited(environ []string, pid int) ([]net.Listener, error) {
	if lookup(environ, "LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil
	}
	n, err := strconv.Atoi(lookup(environ, "LISTEN_FDS"))
	if err != nil || n < 1 {
		return nil, nil
	}
	var open []net.Listener
	for fd := firstInherited; fd < firstInherited+n; fd++ {
		l, err := inherit(fd)
		if err != nil {
			CloseAll(open)
			return nil, problem.WithHint(fmt.Errorf("use socket %d of systemd: %w", fd, err),
				"give the service stream sockets only: ListenStream= in its .socket unit")
		}
		open = append(open, l)
	}
	return open, nil
}

func inherit(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), fmt.Sprintf("socket %d", fd))
	if f == nil {
		return nil, os.ErrInvalid
	}
	defer f.Close() // FileListener works with a duplicate
	l, err := net.FileListener(f)
	if err != nil {
		return nil, Bare(err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		l = loopbackOnly{l}
	}
	return l, nil
}

// Notify reports the state of this service to systemd, such as "READY=1" (sd_notify(3)). It does nothing if systemd
// has not asked for that.
func Notify(environ []string, state string) error {
	path := lookup(environ, "NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if strings.HasPrefix(path, "@") { // an abstract socket of Linux
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// lookup returns the value of a variable in environ.
func lookup(environ []string, name string) string {
	for _, entry := range environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}
