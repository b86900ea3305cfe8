// Package workspace emulates one workspace in PandaDoc's API: documents and their parts, templates, the content
// library, contacts, members, webhooks, the catalogue and so on. It implements operations and resources;
// package sandbox has sign-in, faults and the network.
//
//	w := workspace.New(ids, log, time.Now())
//	call, err := workspace.ReadCall(r, op, vars, time.Now(), 0)
//	reply, err := w.Do(op, call)
//
// If the request is wrong, the error of ReadCall or Do is a *Problem. All state is in memory and limited in
// size: new items replace the oldest of their kind.
package workspace

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"
)

// Source makes ids. The same source makes the same ids again.
type Source interface {
	ID() string            // 22 letters and digits, as PandaDoc's objects have
	Hex(digits int) string // for keys and tokens
}

// Request is a request that the API log shows.
type Request struct {
	ID, Method, Target string
	Status             int
	Time               time.Time
	Duration           time.Duration
	Scheme             string // of the credential: Bearer or API-Key
	Token              string // its fingerprint
}

// Workspace has all the state of the API. It is safe for concurrent use: every operation runs while the lock is held,
// with input that was read before, so the operations are sequential code.
type Workspace struct {
	ids Source
	log func() []Request // oldest first

	mu              sync.Mutex // guards the fields below
	documents       collection[document]
	templates       collection[template]
	contacts        collection[contact]
	library         collection[content]
	documentFolders collection[folder]
	templateFolders collection[folder]
	webhooks        collection[webhook]
	events          collection[webhookEvent]
	products        collection[product]
	notarizations   collection[notarization]
	users           collection[user]
	memberships     collection[membership]
	offices         collection[office] // workspaces of the organization
	forms           []form

	// From the sample data, the first of their collections, and never removed: the office that has the documents, and the
	// membership of the person who consented. notary is the id of the only notary.
	home, me, notary string
}

// Do runs one operation. The operation encodes its answer, because nothing may point into the workspace when the lock
// is released.
func (w *Workspace) Do(o *Operation, c *Call) (Reply, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rep, err := o.answer(w, c)
	return rep, cmp.Or(c.err, err)
}

// Bounded shortens a text of a client before it is kept.
func Bounded(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// stamp formats a time like the service, with microseconds.
type stamp time.Time

func (s stamp) MarshalJSON() ([]byte, error) {
	t := time.Time(s)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z"`), nil
}

func (s stamp) time() time.Time { return time.Time(s) }

// etag returns a short hash of a text, for ETag headers and for ids that must not change.
func etag(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// uuid returns a UUID of version 4, which newer parts of the API use as ids.
func (w *Workspace) uuid() string {
	digits := w.ids.Hex(32)
	return digits[:8] + "-" + digits[8:12] + "-4" + digits[13:16] + "-a" + digits[17:20] + "-" + digits[20:32]
}
