package proxy

import "golang.org/x/sys/windows"

// System errors about connections. Package syscall has names for these on Windows too, with numbers
// that no call returns.
const (
	errRefused       = windows.WSAECONNREFUSED
	errReset         = windows.WSAECONNRESET
	errAborted       = windows.WSAECONNABORTED
	errBrokenPipe    = windows.WSAESHUTDOWN
	errNoNetwork     = windows.WSAENETUNREACH
	errNoRouteToHost = windows.WSAEHOSTUNREACH
)
