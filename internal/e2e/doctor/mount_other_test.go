//go:build !linux

package doctor

func readOnlyStore() []fault { return nil }
