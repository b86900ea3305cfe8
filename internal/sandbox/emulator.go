package sandbox

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// EmulatorHeader is in every answer, so that nobody mistakes the emulator for the service.
const (
	EmulatorHeader = "X-Emulator"
	emulatorValue  = "PandaDoc emulator of pandadoc-auth-proxy; no real account, no real documents"
)

// Emulator is an invented PandaDoc with one application, one user and one workspace. It is safe for
// concurrent use and starts no goroutine.
type Emulator struct {
	opts      Options
	client    client
	table     *router
	grants    *grants
	tickets   *oneTime[consentRequest]
	workspace *workspace.Workspace
	history   *history
	faults    *faults
	behaviour *behaviour
	ids       *random
}

// client is the application that is registered at the emulator.
type client struct{ id, secret, apiKey string }

// New returns an emulator with sample data and one grant.
func New(opts Options) (*Emulator, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	for opts.Seed == 0 {
		opts.Seed = rand.Uint64()
	}
	secrets := newRandom(opts.Seed, "credentials")
	e := &Emulator{
		opts:      opts,
		client:    client{id: secrets.Hex(20), secret: secrets.Hex(40), apiKey: secrets.Hex(40)},
		table:     newRouter(operations()),
		grants:    newGrants(secrets, cmp.Or(opts.TokenTTL, DefaultTokenTTL)),
		tickets:   &oneTime[consentRequest]{random: secrets},
		history:   newHistory(historySize),
		faults:    &faults{random: newRandom(opts.Seed, "faults")},
		behaviour: &behaviour{opts: opts, random: newRandom(opts.Seed, "behaviour")},
		ids:       newRandom(opts.Seed, "ids"),
	}
	e.workspace = workspace.New(e.ids, e.history.requests, time.Now())
	return e, nil
}

// Grant returns the refresh token of a new grant, as if somebody had consented again. Grants are independent, so
// two programs can use one emulator without using up each other's tokens.
func (e *Emulator) Grant() string { return e.grants.consented(defaultScope, time.Now()).refresh }

// APIKey returns the sandbox key that the emulator accepts as "Authorization: API-Key …".
func (e *Emulator) APIKey() string { return e.client.apiKey }

// Banner describes the emulator and its behaviour in one line, for people.
func (e *Emulator) Banner() string {
	manner := "default: some valid tokens are refused, every refresh replaces both tokens"
	switch {
	case e.opts.Calm:
		manner = "calm: no misbehaviour"
	case e.opts.Chaos:
		manner = "chaos: 429, slow, cut and HTML answers on top of refused tokens"
	}
	return fmt.Sprintf("This is an EMULATOR of PandaDoc, not PandaDoc: nothing leaves this machine (%s; seed %d).", manner, e.opts.Seed)
}

// API serves the API, the consent page and the token endpoint.
func (e *Emulator) API() http.Handler { return http.HandlerFunc(e.serveAPI) }

// Expire makes every current access token expire. Refresh tokens stay valid.
func (e *Emulator) Expire() { e.grants.expire(time.Now()) }

// Revoke revokes every grant: no token of it is valid any more, and only a new consent helps.
func (e *Emulator) Revoke() { e.grants.revoke() }

// Clear removes history, counters and faults. Grants and documents stay.
func (e *Emulator) Clear() {
	e.history.clear()
	e.faults.clear()
}

// History returns the newest requests, oldest first.
func (e *Emulator) History() []Entry { return e.history.entries() }

// Stats returns the counters since the start or the last Clear.
func (e *Emulator) Stats() Stats { return e.history.stats() }

// AddFault sets a fault, or returns an error that describes what is wrong with it.
func (e *Emulator) AddFault(f Fault) error { return e.faults.add(f) }

// Faults returns the faults that are not used up yet, in the order in which they were set.
func (e *Emulator) Faults() []Fault { return e.faults.list() }
