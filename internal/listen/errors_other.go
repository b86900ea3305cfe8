//go:build !windows

package listen

import "syscall"

// System errors about addresses.
const (
	ErrAddrInUse        = syscall.EADDRINUSE
	errAddrNotAvailable = syscall.EADDRNOTAVAIL
	errFamily           = syscall.EAFNOSUPPORT
	errProtocol         = syscall.EPROTONOSUPPORT
	ErrRefused          = syscall.ECONNREFUSED
	errAccess           = syscall.EACCES
)
