// Package chaos runs the built program, many processes of it, against an authorization server that is as
// strict as they come, and lets everything happen to it that can: kill -9, kill -STOP, full disks,
// stores that vanish, answers that are slow, late or cut off. All of it is tests; there is nothing to
// import.
//
// By default each scenario runs in a small size, less than a minute in all. The full sizes:
//
//	go test ./internal/e2e/chaos -v -timeout 60m -chaos.duration=10m
//
// What happens when is drawn from a seed, which is printed; -chaos.seed repeats the draws, though not the
// moments at which a busy machine gets round to them. docs/life-cycle.md has the figures.
package chaos
