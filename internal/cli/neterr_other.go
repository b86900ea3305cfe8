//go:build !windows

package cli

import "syscall"

// What the system says about addresses.
const (
	errAddrInUse        = syscall.EADDRINUSE
	errAddrNotAvailable = syscall.EADDRNOTAVAIL
	errFamily           = syscall.EAFNOSUPPORT
	errProtocol         = syscall.EPROTONOSUPPORT
	errRefused          = syscall.ECONNREFUSED
	errAccess           = syscall.EACCES
)
