// Package chaos runs many processes of the built program against a very strict authorization server, under all
// kinds of faults: kill -9, kill -STOP, full disks, stores that disappear, answers that are slow, late or cut
// off. It has only tests; there is nothing to import.
//
// By default each scenario runs in a small size, less than a minute in all. The full sizes:
//
//	go test ./internal/e2e/chaos -v -timeout 60m -chaos.duration=10m
//
// Each run prints the seed of its random choices. -chaos.seed repeats these choices, but on a busy machine not
// their exact timing. docs/life-cycle.md has the figures.
package chaos
