//go:build !linux

package doctortest

func readOnlyStore() []fault { return nil }
