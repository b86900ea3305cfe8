package cli

import "golang.org/x/sys/windows"

// What the system says about addresses. Package syscall has names for these on Windows too, with
// numbers that no call returns.
const (
	errAddrInUse        = windows.WSAEADDRINUSE
	errAddrNotAvailable = windows.WSAEADDRNOTAVAIL
	errFamily           = windows.WSAEAFNOSUPPORT
	errProtocol         = windows.WSAEPROTONOSUPPORT
	errRefused          = windows.WSAECONNREFUSED
	errAccess           = windows.WSAEACCES
)
