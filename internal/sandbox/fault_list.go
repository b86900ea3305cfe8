package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// maxFaults bounds the list that strangers to memory can fill.
const maxFaults = 1000

// faults are the misbehaviours set by hand.
type faults struct {
	random *random

	mu    sync.Mutex // guards list
	queue []*Fault
}

func newFaults(random *random) *faults { return &faults{random: random} }

func (s *faults) add(f Fault) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("sandbox: fault: %w", err)
	}
	if f.Count == 0 {
		f.Count = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxFaults {
		return fmt.Errorf("sandbox: more than %d faults are waiting", maxFaults)
	}
	s.queue = append(s.queue, &f)
	return nil
}

// take returns the fault for a request and uses it up, or nil.
func (s *faults) take(o *operation, r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.queue {
		if !f.fits(o, r) || f.Probability > 0 && !s.random.chance(f.Probability) {
			continue
		}
		taken := *f
		if f.Count > 0 {
			f.Count--
		}
		if f.Count == 0 {
			s.queue = slices.Delete(s.queue, i, i+1)
		}
		return &taken
	}
	return nil
}

func (s *faults) list() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, len(s.queue))
	for i, f := range s.queue {
		list[i] = *f
	}
	return list
}

func (s *faults) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil
}
