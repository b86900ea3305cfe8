//go:build !windows

package proxy

import "syscall"

// System errors about connections.
const (
	errRefused       = syscall.ECONNREFUSED
	errReset         = syscall.ECONNRESET
	errAborted       = syscall.ECONNABORTED
	errBrokenPipe    = syscall.EPIPE
	errNoNetwork     = syscall.ENETUNREACH
	errNoRouteToHost = syscall.EHOSTUNREACH
)
