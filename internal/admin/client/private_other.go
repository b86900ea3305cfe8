//go:build !unix

package client

import "os"

// private reports whether dir is a directory. Other users cannot enter a user's profile, because of its access
// control list.
func private(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir()
}
