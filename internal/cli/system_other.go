//go:build !linux

package cli

import "runtime/debug"

// Only Linux has control groups, tmpfs and a way to protect memory from other processes.

func memoryLimit() int64   { return 0 }
func machineMemory() int64 { return 0 }

func inMemory(string) bool { return false }

func undumpable() error { return nil }

// release gives memory that is free back to the system.
func release() { debug.FreeOSMemory() }
