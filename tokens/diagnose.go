package tokens

import (
	"context"
	"time"
)

const (
	goodTime     = 5 * time.Second  // how long a probe's word is believed
	probeTimeout = 10 * time.Second // of one probe
	holdMin      = 30 * time.Second
	holdMax      = 10 * time.Minute
)

// hold keeps a refresh that did not help from being tried again for every request that meets 401.
type hold struct {
	generation uint64 // whose 401s pass through; another generation ends the hold
	renewed    uint64 // the generation that a refresh after a 401 gave
	until      time.Time
	length     time.Duration
}

func (h *hold) active(generation uint64, now time.Time) bool {
	return h.generation == generation && now.Before(h.until)
}

// start begins a hold on generation: 30 s, and twice the last one as long as it goes on.
func (h *hold) start(generation uint64, now time.Time) {
	if h.active(generation, now) {
		return
	}
	h.length = min(2*h.length, holdMax)
	if h.length < holdMin || now.Sub(h.until) > holdMax {
		h.length = holdMin
	}
	h.generation, h.until = generation, now.Add(h.length)
}

// answer401 says what is known about a refusal without asking anybody; known is false if it takes a
// flight to find out.
func (k *keeper) answer401(rejected Token, now time.Time) (t Token, err error, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, ok := k.usable(now)
	generation := k.rec.Generation
	switch {
	case ok && !t.Same(rejected): // a newer token is at hand
		t.renewed = generation == k.hold.renewed
		return t, nil, true
	case !ok:
		err := k.verdictLocked(now)
		return Token{}, err, err != nil
	case rejected.renewed:
		k.hold.start(generation, now)
		return Token{}, ErrRefreshDidNotHelp, true
	case k.hold.active(generation, now):
		// The store comes before the hold: another process may hold a newer pair. It is asked once a second.
		return Token{}, ErrRefreshDidNotHelp, now.Sub(k.lookedAt) < lookInterval
	case k.good == generation && now.Before(k.goodTill):
		return Token{}, ErrTokenGood, true
	}
	return Token{}, nil, false
}

// diagnose finds out why the API refused a token, from the cheapest answer to the dearest: another
// process may have stored a newer token; the token may be good elsewhere; else it is refreshed.
// rec and lookErr are what the store holds now.
func (k *keeper) diagnose(rec Record, lookErr error, rejected Token) error {
	current := rec.AccessToken.Equal(rejected.Access)
	if !current && k.works(time.Now()) {
		return nil
	}
	if k.held(rec.Generation, time.Now()) {
		return ErrRefreshDidNotHelp
	}
	if current && k.probe(rejected) {
		k.change(func() { k.good, k.goodTill = rec.Generation, time.Now().Add(goodTime) })
		return ErrTokenGood
	}
	k.change(func() {
		if k.rec.AccessToken.Equal(rejected.Access) {
			k.refused = k.rec.Generation
		}
	})
	if lookErr != nil {
		return k.storeError(lookErr)
	}
	if err := k.refresh(rec.Generation); err != nil {
		return err
	}
	k.change(func() { k.hold.renewed = k.rec.Generation })
	return nil
}

// held says whether 401s of generation pass through without a refresh.
func (k *keeper) held(generation uint64, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hold.active(generation, now)
}

// probe asks the API whether the token is good. No answer, and every answer but a clear yes, prove nothing.
func (k *keeper) probe(t Token) bool {
	if k.m.config.Probe == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(k.m.ctx, probeTimeout)
	defer cancel()
	good := k.m.config.Probe(ctx, t)
	detail := "the API refuses the token"
	if good {
		detail = "the API accepts the token"
	}
	k.tell(Event{Kind: EventProbe, Generation: t.Generation, Detail: detail})
	return good
}
