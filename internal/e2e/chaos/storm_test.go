//go:build unix

package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// storm is a testbed in which faults happen in random order.
type storm struct {
	*testbed
	r     *rand.Rand
	slots []*slot
	done  map[string]int // how often each thing happened
	other *foreigner     // no token may be sent there
	hurry bool           // a login ends a refresh that is in doubt, to save a minute of waiting

	mu      sync.Mutex // guards the field below
	answers map[string]int
}

// slot has one process after another.
type slot struct {
	mu sync.Mutex // guards the field below
	p  *proxy     // the running process; nil for a moment after its end
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

// newStorm starts processes with a store that has a pair.
func newStorm(t *testing.T, r *rand.Rand, processes int) *storm {
	s := &storm{testbed: newSignedIn(t), r: r, done: map[string]int{}, other: newForeigner(t), answers: map[string]int{}}
	for range processes {
		s.slots = append(s.slots, &slot{p: s.serve("--refresh-timeout", "2s")})
	}
	return s
}

// run makes things happen while more returns true. Then it ends all faults, and everything must work again.
// Clients send requests all the time. After every step the record can be read, and no refresh token was sent more
// often than the losses explain. A client gets an answer, a time to come back, or a login-required that a lost
// pair explains.
func (s *storm) run(more func(steps int) bool) (steps int) {
	s.t.Helper()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	dismiss := sync.OnceFunc(func() { close(stop); clients.Wait() })
	defer dismiss() // also after a Fatal: nothing may log when the test is over
	for _, slot := range s.slots {
		clients.Go(func() { s.ask(slot, stop) })
	}
	for ; more(steps) && !s.t.Failed(); steps++ {
		s.step()
		s.inspect()
		pause(upTo(s.r, 150*time.Millisecond))
	}
	s.plan(always(plan{}))
	s.calm()
	dismiss()
	s.inspect()
	if seen := s.other.tokens(); len(seen) > 0 {
		s.t.Errorf("another host was sent %q", seen)
	}
	return steps
}

// All faults together, for the time of -chaos.duration.
func TestStorm(t *testing.T) {
	t.Parallel()
	s := newStorm(t, draws(t), 4)
	s.hurry = !full()
	end := time.Now().Add(max(*duration, 10*time.Second))
	steps := s.run(func(int) bool { return time.Now().Before(end) })
	c := s.counts()
	t.Logf("%d steps (%s): %d calls of the token endpoint, %d rotations, %d invalid_grant; %d logins needed, each explained by a lost pair; answers: %s",
		steps, tally(s.done), c.calls, c.rotations, c.invalid, s.done["login after a lost pair"], tally(s.answers))
}

// Many short storms, each with a new store: two processes and about a dozen steps.
func TestRandomSchedules(t *testing.T) {
	t.Parallel()
	schedules := size(40, 500)
	r := draws(t)
	room := newRoom(8)
	var mu sync.Mutex
	done, answers := map[string]int{}, map[string]int{}
	t.Run("schedules", func(t *testing.T) {
		for n := range schedules {
			mine := rand.New(rand.NewPCG(r.Uint64(), 0))
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				defer room.enter()()
				s := newStorm(t, mine, 2)
				s.hurry = true
				s.run(func(steps int) bool { return steps < 12 })
				mu.Lock()
				defer mu.Unlock()
				for name, n := range s.done {
					done[name] += n
				}
				for name, n := range s.answers {
					answers[name] += n
				}
			})
		}
	})
	t.Logf("%d schedules (%s); answers: %s", schedules, tally(done), tally(answers))
}

func tally(m map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(all, ", ")
}

// step makes one thing happen.
func (s *storm) step() {
	s.t.Helper()
	slot := s.slots[s.r.IntN(len(s.slots))]
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
		{"answer cut at a byte", 1, func() { s.once(plan{lost: true, answer: cutAt(s.r.IntN(60))}) }},
		{"answer twice", 1, func() { s.once(plan{answer: twice}) }},
		{"foreign answer", 1, func() { s.once(plan{foreign: portal}) }},
		{"failing answer", 2, func() { s.once(plan{status: 503}) }},
		{"endpoint shut for a while", 1, func() { s.shut(); pause(upTo(s.r, time.Second)); s.reopen() }},
		{"store away for a while", 1, func() { s.takeAway(); pause(upTo(s.r, time.Second)); s.putBack() }},
		{"login", 1, s.signIn},
		{"SIGHUP", 1, func() { s.end(slot, syscall.SIGHUP) }},
		{"SIGINT", 1, func() { s.end(slot, syscall.SIGINT) }},
		{"SIGTERM", 1, func() { s.end(slot, syscall.SIGTERM) }},
		{"SIGQUIT", 1, func() { s.end(slot, syscall.SIGQUIT) }},
		{"two signals", 1, func() { s.end(slot, syscall.SIGTERM, syscall.SIGINT) }},
		{"another issuer for a while", 1, func() { s.abroad(slot) }},
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

// once sets a plan for the next call; later calls get correct answers.
func (s *storm) once(p plan) {
	s.plan(func() plan {
		s.next = func() plan { return plan{} }
		return p
	})
}

// replace kills a process and starts another in its place. If the dead process had a marker, its token may be sent
// once more.
func (s *storm) replace(slot *slot) {
	old := slot.now()
	slot.set(nil) // its client may be cut off
	old.Kill()
	if p := s.record().Pending; p != nil && strings.Contains(p.Owner, fmt.Sprintf("-%d-", old.PID())) {
		s.excuse(s.saved())
		s.done["of which in a refresh"]++
	}
	slot.set(s.serve("--refresh-timeout", "2s"))
}

// end ends a process by signals, and starts another in its place. Nothing may be lost.
func (s *storm) end(slot *slot, signals ...syscall.Signal) {
	old := slot.now()
	slot.set(nil) // a second signal cancels its requests
	for _, sig := range signals {
		old.signal(sig)
		pause(upTo(s.r, 20*time.Millisecond))
	}
	old.Wait()
	slot.set(s.serve("--refresh-timeout", "2s"))
}

// abroad replaces a process for a few requests by one with another token endpoint or another API.
func (s *storm) abroad(slot *slot) {
	old := slot.now()
	slot.set(nil)
	old.signal(syscall.SIGTERM)
	old.Wait()
	args := [][]string{{"--api-url", s.other.url}, {"--token-url", s.other.url + "/access_token"}}[s.r.IntN(2)]
	wrong := s.serve(args...)
	for range 5 {
		_, _ = wrong.get(s.t.Context()) // it may well be 502
	}
	wrong.Kill()
	slot.set(s.serve("--refresh-timeout", "2s"))
}

// hold stops a process for a while.
func (s *storm) hold(slot *slot) {
	p := slot.now()
	p.stop()
	pause(upTo(s.r, time.Second))
	p.resume()
}

// inspect checks the invariants.
func (s *storm) inspect() {
	s.t.Helper()
	s.record()
	s.wantNoReuse()
	if _, alive := s.live(); !alive && s.r.IntN(20) == 0 { // sometimes a person signs in
		s.help()
	}
}

func (s *storm) help() {
	s.done["login after a lost pair"]++
	s.signIn()
}

// ask sends requests to the processes of slot until stop is closed.
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
			if slot.now() == p { // otherwise it was killed, and any result is possible
				s.note(got, err, began)
			}
		}
		pause(20 * time.Millisecond)
	}
}

// note checks the result of a client's request.
func (s *storm) note(got answer, err error, began time.Time) {
	// A process notices a login within a second of the next request; on a busy machine it takes longer.
	explained := s.deadSince(began.Add(-30 * time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[got.String()]++
	switch {
	case err != nil:
		s.t.Errorf("a client got no answer: %v", err)
	case got.status == 200:
	case got.status == 503 && got.retry != "":
	case got.status == 401: // the token was invalidated right after a refresh, so there is a hold
	case got.code == "login-required" && explained:
	default:
		s.t.Errorf("a client got %v, Retry-After %q", got, got.retry)
	}
}

// calm ends all faults. Everything must work again, with a login only if a pair was lost.
func (s *storm) calm() {
	s.t.Helper()
	s.rest()
	if rec := s.record(); s.hurry && (rec.Pending != nil || !rec.UnconfirmedSince.IsZero()) {
		s.signIn() // to save a minute of waiting
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
