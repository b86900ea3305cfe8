package admin

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pandadoc-auth-proxy/tokens"
)

// maxAccountLabels bounds the accounts that have series of their own. The first ones that are met get
// them; all others are counted together.
const maxAccountLabels = 1000

// accountLabels remembers which accounts have series of their own.
type accountLabels struct {
	mu    sync.RWMutex // guards known
	known map[string]bool
}

func newAccountLabels() *accountLabels { return &accountLabels{known: map[string]bool{}} }

// label returns the label of an account that exists.
func (l *accountLabels) label(account string) string {
	l.mu.RLock()
	known, full := l.known[account], len(l.known) >= maxAccountLabels
	l.mu.RUnlock()
	switch {
	case known:
		return account
	case full:
		return otherLabel
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= maxAccountLabels {
		return otherLabel
	}
	l.known[account] = true
	return account
}

var (
	stateDesc = prometheus.NewDesc(metricsPrefix+"account_state",
		"1 for the state that an account is in, 0 for the others.", []string{"account", "state"}, nil)
	expiryDesc = prometheus.NewDesc(metricsPrefix+"token_expiry_timestamp_seconds",
		"When the account's access token expires, as a Unix time. Absent if that is not known.", []string{"account"}, nil)
	refreshedDesc = prometheus.NewDesc(metricsPrefix+"last_refresh_timestamp_seconds",
		"When a refresh of the account last succeeded, in this process or another, as a Unix time. Absent if none did.", []string{"account"}, nil)
	inFlightDesc = prometheus.NewDesc(metricsPrefix+"in_flight_requests",
		"Requests that are being forwarded now.", nil, nil)
	replayBytesDesc = prometheus.NewDesc(metricsPrefix+"replay_bytes",
		"Bytes of request bodies that are kept now so that they can be sent again after a 401.", []string{"where"}, nil)
)

// accountCollector shows how the accounts in memory stand at the moment of the scrape. Accounts without
// series of their own are summed up: how many are in a state, and the earliest of their dates.
type accountCollector struct {
	source StatusSource
	labels *accountLabels
}

var _ prometheus.Collector = (*accountCollector)(nil)

// Describe implements prometheus.Collector.
func (c *accountCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- stateDesc
	ch <- expiryDesc
	ch <- refreshedDesc
}

// accountGauges are the values of one label.
type accountGauges struct {
	states            map[tokens.State]int
	expires, provenAt time.Time // zero if not known
}

// Collect implements prometheus.Collector.
func (c *accountCollector) Collect(ch chan<- prometheus.Metric) {
	all := map[string]*accountGauges{}
	for _, s := range relevant(c.source.Status()) {
		label := c.labels.label(s.Account)
		g := all[label]
		if g == nil {
			g = &accountGauges{states: map[tokens.State]int{}}
			all[label] = g
		}
		g.states[s.State]++
		g.expires, g.provenAt = earliest(g.expires, s.ExpiresAt), earliest(g.provenAt, s.ProvenAt)
	}
	for label, g := range all {
		for _, state := range []tokens.State{tokens.Ready, tokens.Degraded, tokens.Unavailable, tokens.LoginRequired, tokens.Unknown} {
			gauge(ch, stateDesc, float64(g.states[state]), label, string(state))
		}
		timestamp(ch, expiryDesc, g.expires, label)
		timestamp(ch, refreshedDesc, g.provenAt, label)
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func timestamp(ch chan<- prometheus.Metric, d *prometheus.Desc, t time.Time, labels ...string) {
	if !t.IsZero() {
		gauge(ch, d, float64(t.UnixMilli())/1000, labels...)
	}
}

// trafficCollector shows what the proxied port is busy with at the moment of the scrape.
type trafficCollector struct{ proxy Proxy }

var _ prometheus.Collector = trafficCollector{}

func newTrafficCollector(p Proxy) prometheus.Collector { return trafficCollector{p} }

// Describe implements prometheus.Collector.
func (c trafficCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- inFlightDesc
	ch <- replayBytesDesc
}

// Collect implements prometheus.Collector.
func (c trafficCollector) Collect(ch chan<- prometheus.Metric) {
	inMemory, onDisk := c.proxy.ReplayBytes()
	gauge(ch, inFlightDesc, float64(c.proxy.InFlight()))
	gauge(ch, replayBytesDesc, float64(inMemory), "memory")
	gauge(ch, replayBytesDesc, float64(onDisk), "disk")
}
