package listen

import "golang.org/x/sys/windows"

// System errors about addresses. Package syscall has names for these on Windows too, with numbers
// that no call returns.
const (
	ErrAddrInUse        = windows.WSAEADDRINUSE
	errAddrNotAvailable = windows.WSAEADDRNOTAVAIL
	errFamily           = windows.WSAEAFNOSUPPORT
	errProtocol         = windows.WSAEPROTONOSUPPORT
	ErrRefused          = windows.WSAECONNREFUSED
	errAccess           = windows.WSAEACCES
)
