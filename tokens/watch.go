package tokens

import (
	"context"
	"time"
)

// Watcher is a Store that reports changes, so that nobody has to ask for them.
type Watcher interface {
	// Watch reports to w until ctx ends, and connects again by itself whenever that is needed.
	Watch(ctx context.Context, w Watch)
}

// Watch is what a Watcher reports to. The functions are called by one goroutine, one at a time, and must
// not block.
type Watch struct {
	// Connected means that from now on every change is reported. Changes before may have been missed.
	Connected func()
	// Broken means that from now on changes may be missed, because of err.
	Broken func(err error)
	// Changed means that the record of account may have changed, and has version now. An empty version means
	// that it is not known.
	Changed func(account, version string)
}

// Forgetful is a Watcher whose engine can lose saves that it acknowledged, as a failover of Redis can. A
// process that wins a marker there waits before it sends the refresh token: the marker is an
// announcement, and whoever holds a newer pair answers by putting it back.
type Forgetful interface {
	// Settle returns how long the others need to hear of a save and to answer.
	Settle() time.Duration
}
