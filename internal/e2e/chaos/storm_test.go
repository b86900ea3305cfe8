//go:build unix

package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// slots is how many processes share the storm's store.
const slots = 4

// storm is a world in which everything happens, in drawn order.
type storm struct {
	*world
	r     *rand.Rand
	slots [slots]*slot
	done  map[string]int // what happened, how often

	mu      sync.Mutex // guards the field below
	answers map[string]int
}

// slot is one process after another.
type slot struct {
	mu sync.Mutex // guards the field below
	p  *proxy     // the one that runs; nil for a moment after a kill
}

func (s *slot) now() *proxy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.p
}

func (s *slot) set(p *proxy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.p = p
}

// Everything at once, for as long as -chaos.duration says. After every step the store parses and no refresh
// token has come more often than what was lost explains; no client ever gets anything but an answer, a time
// to come back, or a login-required that a lost pair explains. At the end all is well again.
func TestStorm(t *testing.T) {
	t.Parallel()
	s := &storm{world: newSignedIn(t), r: draws(t), done: map[string]int{}, answers: map[string]int{}}
	for i := range s.slots {
		s.slots[i] = &slot{p: s.serve("--refresh-timeout", "2s")}
	}
	end := time.Now().Add(max(*duration, 10*time.Second))
	stop := make(chan struct{})
	var clients sync.WaitGroup
	dismiss := sync.OnceFunc(func() { close(stop); clients.Wait() })
	defer dismiss() // also after a Fatal: nothing may log once the test is over
	for _, slot := range s.slots {
		clients.Go(func() { s.ask(slot, stop) })
	}
	steps := 0
	for ; time.Now().Before(end) && !t.Failed(); steps++ {
		s.step()
		s.inspect()
		pause(upTo(s.r, 150*time.Millisecond))
	}
	s.plan(always(plan{}))
	s.calm()
	dismiss()
	s.inspect()
	c := s.counts()
	t.Logf("%d steps (%s): %d calls of the token endpoint, %d rotations, %d invalid_grant; %d logins needed, each explained by a lost pair; answers: %s",
		steps, tally(s.done), c.calls, c.rotations, c.invalid, s.done["login after a lost pair"], tally(s.answers))
}

func tally(m map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(all, ", ")
}

// step lets one thing happen.
func (s *storm) step() {
	s.t.Helper()
	slot := s.slots[s.r.IntN(slots)]
	deeds := []struct {
		name   string
		weight int
		do     func()
	}{
		{"access token ended", 10, s.refuseIfUsed},
		{"kill -9", 3, func() { s.replace(slot) }},
		{"kill -STOP", 2, func() { s.hold(slot) }},
		{"honest answers", 4, func() { s.plan(always(plan{})) }},
		{"slow answers", 2, func() {
			d := upTo(s.r, 700*time.Millisecond)
			s.plan(always(plan{before: func() { pause(d) }, mindful: true}))
		}},
		{"late answer", 1, func() { s.once(plan{after: func() { pause(3 * time.Second) }}) }},
		{"request cut off", 1, func() { s.once(plan{cutBefore: true}) }},
		{"answer cut off", 1, func() { s.once(plan{cutAfter: true}) }},
		{"failing answer", 2, func() { s.once(plan{status: 503}) }},
		{"endpoint shut for a while", 1, func() { s.shut(); pause(upTo(s.r, time.Second)); s.reopen() }},
		{"store away for a while", 1, func() { s.takeAway(); pause(upTo(s.r, time.Second)); s.putBack() }},
		{"login", 1, s.signIn},
	}
	sum := 0
	for _, d := range deeds {
		sum += d.weight
	}
	at := s.r.IntN(sum)
	for _, d := range deeds {
		if at -= d.weight; at < 0 {
			s.done[d.name]++
			d.do()
			return
		}
	}
}

// once is a plan for the next call; those after it are honest.
func (s *storm) once(p plan) {
	s.plan(func() plan {
		s.next = func() plan { return plan{} }
		return p
	})
}

// replace kills a process and starts another in its place. What the dead one was about to send, or has
// sent, may be sent once more: its marker tells.
func (s *storm) replace(slot *slot) {
	old := slot.now()
	slot.set(nil) // whoever is asking it may be cut off
	old.Kill()
	if p := s.record().Pending; p != nil && strings.Contains(p.Owner, fmt.Sprintf("-%d-", old.PID())) {
		s.excuse(s.saved())
		s.done["of which in a refresh"]++
	}
	slot.set(s.serve("--refresh-timeout", "2s"))
}

// hold stops a process for a while, and lets it go on.
func (s *storm) hold(slot *slot) {
	p := slot.now()
	p.stop()
	pause(upTo(s.r, time.Second))
	p.resume()
}

// inspect holds the invariants.
func (s *storm) inspect() {
	s.t.Helper()
	s.record()
	s.wantNoReuse()
	if _, alive := s.live(); !alive && s.r.IntN(20) == 0 { // a person comes by
		s.help()
	}
}

func (s *storm) help() {
	s.done["login after a lost pair"]++
	s.signIn()
}

// ask has a client ask one process after the other until stop is closed.
func (s *storm) ask(slot *slot, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if p := slot.now(); p != nil {
			began := time.Now()
			got, err := p.get(s.t.Context())
			if slot.now() == p { // else it was killed, and anything may have come of that
				s.note(got, err, began)
			}
		}
		pause(20 * time.Millisecond)
	}
}

// note holds what a client may get.
func (s *storm) note(got answer, err error, began time.Time) {
	// A process learns of a login within a second of the next request, or later on a busy machine.
	explained := s.deadSince(began.Add(-30 * time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[got.String()]++
	switch {
	case err != nil:
		s.t.Errorf("a client got no answer: %v", err)
	case got.status == 200:
	case got.status == 503 && got.retry != "":
	case got.status == 401: // the token was ended right after a refresh: it is held for a while
	case got.code == "login-required" && explained:
	default:
		s.t.Errorf("a client got %v, Retry-After %q", got, got.retry)
	}
}

// calm ends all faults and wants everything to be well again, with a login only if a pair was lost.
func (s *storm) calm() {
	s.t.Helper()
	s.rest()
	if rec := s.record(); !full() && (rec.Pending != nil || !rec.UnconfirmedSince.IsZero()) {
		s.signIn() // instead of waiting for a minute
	}
	for _, slot := range s.slots {
		p := slot.now()
		until(s.t, "come to rest", func() error {
			err := p.is(200)
			if _, alive := s.live(); !alive {
				s.help()
			}
			return err
		})
		p.becomes("ready")
	}
	s.wantSaved()
}
