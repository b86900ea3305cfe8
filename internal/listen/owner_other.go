//go:build !linux

package listen

// Owner always returns false: it is not implemented on this system.
func Owner(Address) (uid int, ok bool) { return 0, false }
