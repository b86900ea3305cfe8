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
// getenv returns the value of a variable, as os.Getenv does.
func Inherited(getenv func(name string) string) ([]net.Listener, error) {
	if getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
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
		return nil, WithoutAddress(err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		l = loopbackOnly{l}
	}
	return l, nil
}

// Notify reports the state of this service to systemd, such as "READY=1" (sd_notify(3)). path is NOTIFY_SOCKET. If it
// is empty, systemd has not asked for that, and Notify does nothing.
func Notify(path, state string) error {
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
