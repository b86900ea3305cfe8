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

// Refusal is a 401 of the API.
type Refusal struct {
	Token  Token // that the request was signed in with
	Method string
	Path   string // as it was sent to the API, without the query
}

// Renew reports that the API refused a request, and diagnoses why before it spends a refresh token:
// another token may be known or stored already, or the refusal may not be about the token at all
// (ErrTokenGood, ErrRefreshDidNotHelp, ErrAPIKey: the API's answer stands). Its other errors are those
// of Token.
func (m *Manager) Renew(ctx context.Context, name string, refusal Refusal) (Token, error) {
	if refusal.Token.Scheme == APIKey {
		return Token{}, ErrAPIKey
	}
	if !ValidAccount(name) {
		return Token{}, ErrUnknownAccount
	}
	return m.account(name).renew(ctx, refusal.Token)
}

// Accepted reports that the API answered a request with t by anything but a 401. It must be called before
// that answer is passed on: a refusal that comes later is then known to be a new one.
func (m *Manager) Accepted(_ context.Context, name string, t Token) {
	if v, ok := m.accounts.Load(name); ok {
		v.(*account).accepted(t)
	}
}

func (a *account) accepted(t Token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hold.renewed == t.Generation && !a.hold.active(t.Generation, time.Now()) {
		a.hold.renewed = 0
	}
}

// RefusedAgain reports that a request which was repeated with a token from Renew was refused as well.
// It returns ErrRefreshDidNotHelp if that token came from a refresh; then the next one is held back.
func (m *Manager) RefusedAgain(_ context.Context, name string, refusal Refusal) error {
	v, ok := m.accounts.Load(name)
	if !ok {
		return nil
	}
	a := v.(*account)
	a.mu.Lock()
	defer a.mu.Unlock()
	if t, ok := a.usable(time.Now()); !ok || !t.Same(refusal.Token) || a.hold.renewed != t.Generation {
		return nil
	}
	a.hold.start(refusal.Token.Generation, time.Now())
	return ErrRefreshDidNotHelp
}

// answer401 says what is known about a refusal without asking anybody; known is false if it takes a
// flight to find out.
func (a *account) answer401(rejected Token, now time.Time) (t Token, err error, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.usable(now)
	generation := a.rec.Generation
	switch {
	case ok && !t.Same(rejected): // a newer token is at hand
		return t, nil, true
	case !ok:
		err := a.verdictLocked(now)
		return Token{}, err, err != nil
	case a.hold.active(generation, now):
		// The store comes before the hold: another process may hold a newer pair. It is asked once a second.
		return Token{}, ErrRefreshDidNotHelp, now.Sub(a.lookedAt) < lookInterval
	case a.good == generation && now.Before(a.goodTill):
		return Token{}, ErrTokenGood, true
	}
	return Token{}, nil, false
}

// diagnose finds out why the API refused a token, from the cheapest answer to the dearest: another
// process may have stored a newer token; the token may be good elsewhere; else it is refreshed.
// rec and lookErr are what the store holds now.
func (a *account) diagnose(rec Record, lookErr error, rejected Token) error {
	current := rec.AccessToken.Equal(rejected.Access)
	if !current && a.works(time.Now()) {
		return nil
	}
	if a.held(rec.Generation, time.Now()) {
		return ErrRefreshDidNotHelp
	}
	if current && a.probe(rejected) {
		a.change(func() { a.good, a.goodTill = rec.Generation, time.Now().Add(goodTime) })
		return ErrTokenGood
	}
	a.change(func() {
		if a.rec.AccessToken.Equal(rejected.Access) {
			a.refused = a.rec.Generation
		}
	})
	if lookErr != nil {
		return a.storeError(lookErr)
	}
	if err := a.refresh(rec.Generation); err != nil {
		return err
	}
	a.change(func() { a.hold.renewed = a.rec.Generation })
	return nil
}

// held says whether 401s of generation pass through without a refresh.
func (a *account) held(generation uint64, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hold.active(generation, now)
}

// probe asks the API whether the token is good. No answer, and every answer but a clear yes, prove nothing.
func (a *account) probe(t Token) bool {
	if a.m.config.Probe == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(a.m.ctx, probeTimeout)
	defer cancel()
	good := a.m.config.Probe(ctx, t)
	detail := "the API refuses the token"
	if good {
		detail = "the API accepts the token"
	}
	a.tell(Event{Kind: EventProbe, Generation: t.Generation, Detail: detail})
	return good
}
