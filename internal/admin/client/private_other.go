//go:build !unix

package client

import "os"

// private reports whether dir is a directory. The profile of a user is closed to others by its access list.
func private(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir()
}
