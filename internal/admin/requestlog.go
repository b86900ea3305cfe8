package admin

import (
	"sync"
	"time"
)

const (
	maxRequests = 500 // remembered
	maxMinutes  = 60  // of traffic
)

// requestLog remembers the newest requests and how much traffic there was in the last hour. It takes a
// fixed amount of memory at most.
type requestLog struct {
	mu      sync.Mutex // guards the fields below
	ring    []Request  // grows up to maxRequests
	next    int        // where the next one goes once the ring is full
	minutes [maxMinutes]minute
}

// minute is the traffic of one minute.
type minute struct {
	start    int64 // unix minute; a slot of the hour before is stale
	requests int
	errors   int
	latency  [len(latencyBounds) + 1]int
}

// latencyBounds are the upper ends of the classes that latencies are counted in, for quantiles that are
// good enough to look at.
var latencyBounds = [...]time.Duration{
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, 1 * time.Second,
	2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, 60 * time.Second,
}

// Minute is the traffic of one minute, for charts.
type Minute struct {
	At       time.Time `json:"at"` // its beginning
	Requests int       `json:"requests"`
	// Errors are answers of our own and answers of the API from 500 on. What a client did wrong at the
	// API is no error of this traffic.
	Errors int          `json:"errors"`
	Median Milliseconds `json:"median_ms"` // upper end of its class; zero without requests
	P95    Milliseconds `json:"p95_ms"`
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < maxRequests {
		l.ring = append(l.ring, r)
	} else {
		l.ring[l.next] = r
		l.next = (l.next + 1) % maxRequests
	}
	l.count(r)
}

func (l *requestLog) count(r Request) {
	start := r.At.Add(time.Duration(r.Duration)).Unix() / 60
	m := l.slot(start)
	if m.start != start {
		*m = minute{start: start}
	}
	m.requests++
	if r.Status != statusClientGone && (r.Code != "" || r.Status >= 500 || r.Cut) {
		m.errors++
	}
	class := 0
	for class < len(latencyBounds) && time.Duration(r.Duration) > latencyBounds[class] {
		class++
	}
	m.latency[class]++
}

// slot returns where a unix minute is counted. Clocks can stand before 1970.
func (l *requestLog) slot(start int64) *minute { return &l.minutes[uint64(start)%maxMinutes] }

// newest returns at most limit requests, the newest first.
func (l *requestLog) newest(limit int) []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Request, 0, min(limit, len(l.ring)))
	for i := range len(l.ring) {
		if len(all) == limit {
			break
		}
		all = append(all, l.ring[(l.next+len(l.ring)-1-i)%len(l.ring)])
	}
	return all
}

// find returns the newest request with that id.
func (l *requestLog) find(id string) (Request, bool) {
	for _, r := range l.newest(maxRequests) {
		if r.ID == id && id != "" {
			return r, true
		}
	}
	return Request{}, false
}

// hour returns the last hour up to now, the oldest minute first.
func (l *requestLog) hour(now time.Time) []Minute {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Minute, 0, maxMinutes)
	for start := now.Unix()/60 - maxMinutes + 1; start <= now.Unix()/60; start++ {
		m := *l.slot(start)
		if m.start != start {
			m = minute{}
		}
		all = append(all, Minute{
			At: time.Unix(start*60, 0).UTC(), Requests: m.requests, Errors: m.errors,
			Median: m.quantile(0.5), P95: m.quantile(0.95),
		})
	}
	return all
}

func (m minute) quantile(q float64) Milliseconds {
	seen := 0
	for class, n := range m.latency {
		seen += n
		if n > 0 && float64(seen) >= q*float64(m.requests) {
			return Milliseconds(latencyBounds[min(class, len(latencyBounds)-1)])
		}
	}
	return 0
}
