//go:build race

package model

// lessFaults makes the searches shallower under the race detector: a search has one goroutine, and takes
// ten times as long there.
const lessFaults = 1
