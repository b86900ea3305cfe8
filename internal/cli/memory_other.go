//go:build !linux

package cli

// Control groups and tmpfs are Linux's.

func memoryLimit() int64   { return 0 }
func machineMemory() int64 { return 0 }

func inMemory(string) bool { return false }
