package sandbox

import (
	"strconv"
	"sync"
	"time"
)

const (
	earlyRefusalShare = 1.0 / 16
	// quietTime is the age of a token, and the time since the last 401, before a token can be refused early.
	// So a client that refreshes and repeats a request after a 401 is never refused twice for the same request:
	// it could only pass on the second refusal.
	quietTime = 10 * time.Second
	// maxEarlyBody is the largest body that a client can be expected to send again.
	maxEarlyBody = 32 << 20
)

// behaviour decides when the emulator misbehaves without a fault that was set.
type behaviour struct {
	opts   Options
	random *random

	mu       sync.Mutex // guards the fields below
	last401  time.Time
	refusing int // 401 answers in progress: the bodies of their requests are still being read
}

// refusesEarly reports whether to refuse the valid token of a request, from now on.
func (b *behaviour) refusesEarly(p pair, bodyLength int64, now time.Time) bool {
	if b.opts.Calm || now.Sub(p.issued) < quietTime || bodyLength < 0 || bodyLength > maxEarlyBody {
		return false
	}
	b.mu.Lock()
	quiet := b.refusing == 0 && now.Sub(b.last401) >= quietTime
	b.mu.Unlock()
	return quiet && b.random.chance(earlyRefusalShare)
}

// refuse counts a 401 in progress. Call done when the answer is written.
func (b *behaviour) refuse() (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusing++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.refusing--
		b.last401 = time.Now()
	}
}

// varyExpiry sometimes makes expires_in a string, or removes it.
func (b *behaviour) varyExpiry(answer map[string]any) {
	switch {
	case b.opts.Calm:
	case b.random.chance(0.2):
		answer["expires_in"] = strconv.FormatInt(answer["expires_in"].(int64), 10)
	case b.random.chance(0.2):
		delete(answer, "expires_in")
	}
}

// chaosFault returns the fault that --chaos adds to a request, or nil. The token endpoint is only slow, or fails
// before it has done anything: chaos must not cost a login.
func (b *behaviour) chaosFault(o *operation) *Fault {
	if !b.opts.Chaos || o.consent {
		return nil
	}
	roll := b.random.between(1, 100)
	if o.Number == tokenOperation {
		if roll <= 10 {
			return &Fault{Kind: FaultStatus, Status: 503, Body: htmlOutage, RetryAfter: "1"}
		}
		return nil
	}
	switch {
	case roll <= 4:
		return &Fault{Kind: FaultStatus, Status: 429, RetryAfter: strconv.Itoa(b.random.between(1, 3))}
	case roll <= 8:
		return &Fault{Kind: FaultDelay, Delay: Duration(b.random.between(200, 2000)) * Duration(time.Millisecond)}
	case roll <= 10:
		return &Fault{Kind: FaultCut}
	case roll <= 13:
		return &Fault{Kind: FaultStatus, Status: 502, Body: htmlOutage}
	}
	return nil
}
