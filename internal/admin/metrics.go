package admin

import (
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// metricsPrefix is the prefix of our metrics. Names and labels are part of the public interface.
const metricsPrefix = "pandadoc_proxy_"

// metrics are the counters of the proxy. Every label has a fixed set of values: accounts that exist, the
// API's methods, statuses that HTTP knows, our own codes, results that are listed here.
type metrics struct {
	registry *prometheus.Registry
	accounts *accountLabels

	requests        *prometheus.CounterVec
	requestCounters requestCounters
	duration        prometheus.Histogram
	upstream        prometheus.Histogram
	retries         *prometheus.CounterVec
	refused         *prometheus.CounterVec
	refreshes       *prometheus.CounterVec
	refreshDuration prometheus.Histogram
	storeErrors     *prometheus.CounterVec
}

// The buckets of durations, in seconds. A request may wait for a refresh, a slow search or a long download; a
// token call may take two minutes.
var (
	requestBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	refreshBuckets = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60, 120}
)

func newMetrics(c Config) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), accounts: &accountLabels{known: map[string]bool{}},
		requests:        counters("requests_total", "Requests on the proxied port, by account, method and status of the answer (499: the client went away).", "account", "method", "code"),
		duration:        histogram("request_duration_seconds", "Time from a request's header to the end of its answer.", requestBuckets),
		upstream:        histogram("upstream_duration_seconds", "Time from the first attempt at the API to the header of its final answer.", requestBuckets),
		retries:         counters("retries_total", "Requests that the API refused with 401, by account and result.", "account", "result"),
		refused:         counters("refused_total", "Requests that the proxy answered itself, by the code of the answer.", "code"),
		refreshes:       counters("refreshes_total", "Calls of the token endpoint for new tokens, by account and result.", "account", "result"),
		refreshDuration: histogram("refresh_duration_seconds", "How long the token endpoint took to answer.", refreshBuckets),
		storeErrors:     counters("store_errors_total", "Reads and writes of the token store that failed, by op: load or save.", "op"),
	}
	for _, op := range []string{"load", "save"} { // they exist from the start, so that a rate can be computed
		m.storeErrors.WithLabelValues(op)
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: metricsPrefix + "build_info", Help: "Always 1, with the version of the program."}, []string{"version", "goversion"})
	build.WithLabelValues(c.Info.Version, runtime.Version()).Set(1)
	m.registry.MustRegister(
		m.requests, m.duration, m.upstream, m.retries, m.refused, m.refreshes, m.refreshDuration, m.storeErrors, build,
		&accountCollector{c.Manager, m.accounts},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if c.Proxy != nil {
		m.registry.MustRegister(
			gaugeFunc("in_flight_requests", "Requests that are being forwarded now.", nil, c.Proxy.InFlight),
			replayBytes("memory", func() int64 { inMemory, _ := c.Proxy.ReplayBytes(); return inMemory }),
			replayBytes("disk", func() int64 { _, onDisk := c.Proxy.ReplayBytes(); return onDisk }),
		)
	}
	if c.DroppedLogLines != nil {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: metricsPrefix + "log_lines_dropped_total", Help: "Lines of the log that were dropped, because nobody read them or they could not be written.",
		}, func() float64 { return float64(c.DroppedLogLines()) }))
	}
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricsPrefix + name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: metricsPrefix + name, Help: help, Buckets: buckets})
}

// gaugeFunc returns a gauge whose value is read at each scrape.
func gaugeFunc(name, help string, labels prometheus.Labels, value func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricsPrefix + name, Help: help, ConstLabels: labels},
		func() float64 { return float64(value()) })
}

func replayBytes(where string, value func() int64) prometheus.Collector {
	const help = "Bytes of request bodies that are kept now so that they can be sent again after a 401."
	return gaugeFunc("replay_bytes", help, prometheus.Labels{"where": where}, value)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// observeRequest counts one request.
func (m *metrics) observeRequest(r proxy.Exchange) {
	account := ""
	if accountExists(r) {
		account = m.accounts.label(r.Account)
	}
	m.requestCounters.of(m.requests, requestLabels{account, r.Method, r.Status}).Inc()
	m.duration.Observe(r.Duration.Seconds())
	if r.Upstream > 0 {
		m.upstream.Observe(r.Upstream.Seconds())
	}
	if r.Replay != "" {
		m.retries.WithLabelValues(account, retryLabel(r)).Inc()
	}
	if r.Code != "" {
		m.refused.WithLabelValues(codeLabel(r.Code)).Inc()
	}
}

// requestLabels are the labels of a request, before methodLabel and statusLabel limit their values.
type requestLabels struct {
	account, method string
	status          int
}

// requestCounters remembers the counters of ordinary requests, because finding a counter by its labels is most of
// the cost of counting.
type requestCounters struct {
	mu    sync.RWMutex // guards known
	known map[requestLabels]prometheus.Counter
}

// of returns the counter in all for l.
func (r *requestCounters) of(all *prometheus.CounterVec, l requestLabels) prometheus.Counter {
	r.mu.RLock()
	counter := r.known[l]
	r.mu.RUnlock()
	if counter != nil {
		return counter
	}
	method, status := methodLabel(l.method), statusLabel(l.status)
	counter = all.WithLabelValues(l.account, method, status)
	if method != otherLabel && status != otherLabel { // clients can invent any number of others
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.known == nil {
			r.known = map[requestLabels]prometheus.Counter{}
		}
		r.known[l] = counter
	}
	return counter
}

// observeEvent counts an event of the Manager.
func (m *metrics) observeEvent(e tokens.Event) {
	switch e.Kind {
	case tokens.EventRefreshed, tokens.EventFailed:
		m.refreshes.WithLabelValues(m.accounts.label(e.Account), refreshLabel(e)).Inc()
		m.refreshDuration.Observe(e.Duration.Seconds())
	}
}

// accountExists reports whether the account of r exists, and is not a name that a client invented: there was a
// token for it, or the answer says why it has none.
func accountExists(r proxy.Exchange) bool {
	switch r.Code {
	case problem.LoginRequired, problem.ClientNotConfigured, problem.ClientRefused, problem.RefreshUnavailable:
		return true
	}
	return r.Attempts > 0
}

// otherLabel is the label for all values without a label of their own. It is not a valid account name.
const otherLabel = "_other"

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return otherLabel
}

func statusLabel(status int) string {
	if status != proxy.StatusClientGone && http.StatusText(status) == "" {
		return otherLabel
	}
	return strconv.Itoa(status)
}

func codeLabel(code problem.Code) string {
	if !problem.Known(code) {
		return otherLabel
	}
	return string(code)
}

// retryLabel is the result of the repeated request. If there was none, it is the reason for that.
func retryLabel(r proxy.Exchange) string {
	switch r.Replay {
	case proxy.ReplaySucceeded, proxy.ReplayRefused, proxy.ReplayFailed:
		return r.Replay
	}
	switch r.Reason {
	case proxy.ReasonTokenGood, proxy.ReasonBodyNotKept, proxy.ReasonAPIKey, proxy.ReasonRefreshDidNotHelp:
		return r.Reason
	}
	return otherLabel
}

// refreshLabel is success, the two errors of the token endpoint that a person must fix, or failed.
func refreshLabel(e tokens.Event) string {
	var answer *tokens.EndpointError
	switch {
	case e.Kind == tokens.EventRefreshed:
		return "success"
	case errors.As(e.Err, &answer) && (answer.Code == "invalid_grant" || answer.Code == "invalid_client"):
		return answer.Code
	}
	return "failed"
}

// maxAccountLabels bounds the accounts that have series of their own. The first ones get them; all
// others are counted together.
const maxAccountLabels = 1000

// accountLabels remembers which accounts have series of their own.
type accountLabels struct {
	mu    sync.RWMutex // guards known
	known map[string]bool
}

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
)

// accountCollector shows the state of the accounts in memory at the moment of the scrape. Accounts without
// series of their own are summed up: how many are in a state, and the earliest of their dates.
type accountCollector struct {
	source Manager
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
