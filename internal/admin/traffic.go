package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
)

const (
	maxRequests   = 500 // remembered
	shownRequests = 50  // listed where no limit is asked for
	maxMinutes    = 60  // of traffic
)

// Requests is the answer of /api/v1/requests.
type Requests struct {
	Requests []RequestReport `json:"requests"` // the newest first
	Minutes  []Minute        `json:"minutes"`  // the last hour, the oldest first
	InFlight int64           `json:"in_flight"`
}

// RequestReport is what happened to one request on the proxied port, for people.
type RequestReport struct {
	proxy.Exchange
	Duration    Milliseconds `json:"duration_ms"`
	Upstream    Milliseconds `json:"upstream_ms"` // until the API's answer began; zero if nothing was sent
	Refreshed   bool         `json:"refreshed"`   // a newer token was obtained for it
	Replayed    bool         `json:"replayed"`    // it was sent a second time
	Explanation []string     `json:"explanation"`
}

func report(x proxy.Exchange) RequestReport {
	return RequestReport{
		Exchange: x, Duration: Milliseconds(x.Duration), Upstream: Milliseconds(x.Upstream),
		Refreshed: x.RefusedGeneration > 0 && x.Generation > x.RefusedGeneration,
		Replayed:  x.Attempts > 1, Explanation: explain(x),
	}
}

func (h *Handler) listRequests(w http.ResponseWriter, r *http.Request) {
	limit := shownRequests
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxRequests {
			problem.Of(problem.InvalidInput, "reason", "the limit is a number from 0 to "+strconv.Itoa(maxRequests)).Write(w)
			return
		}
		limit = n
	}
	answer := Requests{Requests: []RequestReport{}, Minutes: h.requests.hour(time.Now())}
	for _, one := range h.requests.newest(limit) {
		answer.Requests = append(answer.Requests, report(one))
	}
	if h.config.Proxy != nil {
		answer.InFlight = h.config.Proxy.InFlight()
	}
	writeJSON(w, http.StatusOK, answer)
}

func (h *Handler) oneRequest(w http.ResponseWriter, r *http.Request) {
	found, ok := h.requests.find(mux.Vars(r)["id"])
	if !ok {
		problem.Of(problem.UnknownRequest, "count", strconv.Itoa(maxRequests)).Write(w)
		return
	}
	writeJSON(w, http.StatusOK, report(found))
}

// Milliseconds is a duration that JSON shows as a number of milliseconds.
type Milliseconds time.Duration

// MarshalJSON rounds to microseconds.
func (m Milliseconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(m).Microseconds()) / 1000)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Milliseconds) UnmarshalJSON(data []byte) error {
	var ms float64
	if err := json.Unmarshal(data, &ms); err != nil {
		return err
	}
	*m = Milliseconds(ms * float64(time.Millisecond))
	return nil
}

// requestLog remembers the newest requests and how much traffic there was in the last hour. It takes a
// fixed amount of memory at most.
type requestLog struct {
	mu      sync.Mutex       // guards the fields below
	ring    []proxy.Exchange // grows up to maxRequests
	next    int              // where the next one goes once the ring is full
	minutes [maxMinutes]minute
}

// minute is the traffic of one minute.
type minute struct {
	start    int64 // unix minute; a slot of the hour before is stale
	requests int
	errors   int
	latency  [len(latencyBounds) + 1]int
	longest  time.Duration
}

// latencyBounds are the upper bounds of the histogram in which latencies are counted. Its quantiles are precise
// enough for a chart.
var latencyBounds = [...]time.Duration{
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, 1 * time.Second,
	2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, 60 * time.Second,
}

// Minute is the traffic of one minute, for charts.
type Minute struct {
	At       time.Time `json:"at"` // its beginning
	Requests int       `json:"requests"`
	// Errors counts the proxy's own error answers, the API's answers from 500 on, and answers that were cut off.
	// Other answers of the API are the business of its clients.
	Errors int          `json:"errors"`
	Median Milliseconds `json:"median_ms"` // upper bound of its bucket; zero without requests
	P95    Milliseconds `json:"p95_ms"`
}

func (l *requestLog) add(r proxy.Exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < maxRequests {
		l.ring = append(l.ring, r)
	} else {
		l.ring[l.next] = r
		l.next = (l.next + 1) % maxRequests
	}
	l.countLocked(r)
}

func (l *requestLog) countLocked(r proxy.Exchange) {
	start := r.Start.Add(r.Duration).Unix() / 60
	m := l.slotLocked(start)
	if m.start != start {
		*m = minute{start: start}
	}
	m.requests++
	if r.Status != proxy.StatusClientGone && (r.Code != "" || r.Status >= 500 || r.Cut) {
		m.errors++
	}
	class, _ := slices.BinarySearch(latencyBounds[:], r.Duration)
	m.latency[class]++
	m.longest = max(m.longest, r.Duration)
}

// slotLocked returns the counter of a unix minute. The number of the minute is negative if the clock is before
// 1970.
func (l *requestLog) slotLocked(start int64) *minute { return &l.minutes[uint64(start)%maxMinutes] }

// newest returns at most limit requests, the newest first.
func (l *requestLog) newest(limit int) []proxy.Exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]proxy.Exchange, min(limit, len(l.ring)))
	for i := range all {
		all[i] = l.ring[(l.next+len(l.ring)-1-i)%len(l.ring)]
	}
	return all
}

// find returns the newest request with that id.
func (l *requestLog) find(id string) (proxy.Exchange, bool) {
	for _, r := range l.newest(maxRequests) {
		if r.RequestID == id && id != "" {
			return r, true
		}
	}
	return proxy.Exchange{}, false
}

// hour returns the last hour up to now, the oldest minute first.
func (l *requestLog) hour(now time.Time) []Minute {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Minute, 0, maxMinutes)
	for start := now.Unix()/60 - maxMinutes + 1; start <= now.Unix()/60; start++ {
		m := *l.slotLocked(start)
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
			if class == len(latencyBounds) {
				return Milliseconds(m.longest)
			}
			return Milliseconds(latencyBounds[class])
		}
	}
	return 0
}
