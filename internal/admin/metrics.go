package admin

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pandadoc-auth-proxy/tokens"
)

// metricsPrefix begins the name of every metric of ours. Names and labels are part of the contract with
// those who watch.
const metricsPrefix = "pandadoc_proxy_"

// metrics counts what the proxy does. Every label has a closed set of values: accounts that exist, the
// API's methods, statuses that HTTP knows, our own codes, results that are listed here.
type metrics struct {
	registry *prometheus.Registry
	accounts *accountLabels

	requests        *prometheus.CounterVec
	duration        prometheus.Histogram
	upstream        prometheus.Histogram
	retries         *prometheus.CounterVec
	refused         *prometheus.CounterVec
	refreshes       *prometheus.CounterVec
	refreshDuration prometheus.Histogram
}

// The classes of durations, in seconds. A request may wait for a refresh, a slow search or a long
// download; a token call is listened to for two minutes.
var (
	requestBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	refreshBuckets = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60, 120}
)

func newMetrics(c Config) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), accounts: newAccountLabels(),
		requests:        counters("requests_total", "Requests on the proxied port, by account, method and status of the answer (499: the client went away).", "account", "method", "code"),
		duration:        histogram("request_duration_seconds", "Time from a request's header to the end of its answer.", requestBuckets),
		upstream:        histogram("upstream_duration_seconds", "Time from the first attempt at the API to the header of its final answer.", requestBuckets),
		retries:         counters("retries_total", "What became of requests that the API refused with 401, by account.", "account", "result"),
		refused:         counters("refused_total", "Requests that the proxy answered itself, by the code of the answer.", "code"),
		refreshes:       counters("refreshes_total", "Calls of the token endpoint for new tokens, by account and result.", "account", "result"),
		refreshDuration: histogram("refresh_duration_seconds", "How long the token endpoint took to answer.", refreshBuckets),
	}
	m.registry.MustRegister(
		m.requests, m.duration, m.upstream, m.retries, m.refused, m.refreshes, m.refreshDuration,
		&accountCollector{c.Accounts, m.accounts},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if c.Proxy != nil {
		m.registry.MustRegister(newTrafficCollector(c.Proxy))
	}
	if c.DroppedLogLines != nil {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: metricsPrefix + "log_lines_dropped_total", Help: "Lines of the log that were dropped because nobody read them.",
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

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// request counts one request.
func (m *metrics) request(r Request) {
	account := ""
	if r.accountExists() {
		account = m.accounts.label(r.Account)
	}
	m.requests.WithLabelValues(account, methodLabel(r.Method), statusLabel(r.Status)).Inc()
	m.duration.Observe(time.Duration(r.Duration).Seconds())
	if r.Upstream > 0 {
		m.upstream.Observe(time.Duration(r.Upstream).Seconds())
	}
	if r.Replay != "" {
		m.retries.WithLabelValues(account, retryLabel(r)).Inc()
	}
	if r.Code != "" {
		m.refused.WithLabelValues(codeLabel(r.Code)).Inc()
	}
}

// event counts what the Manager tells.
func (m *metrics) event(e tokens.Event) {
	switch e.Kind {
	case tokens.EventRefreshed, tokens.EventFailed:
		m.refreshes.WithLabelValues(m.accounts.label(e.Account), refreshLabel(e)).Inc()
		m.refreshDuration.Observe(e.Duration.Seconds())
	}
}

// accountExists says whether the account that r names is one, and not a name that somebody made up: a
// token was found for it, or the lack of one is about it.
func (r Request) accountExists() bool {
	switch r.Code {
	case "login-required", "client-refused", "refresh-unavailable":
		return true
	}
	return r.Attempts > 0
}

// otherLabel stands for all values that have no label of their own. No account can have this name.
const otherLabel = "_other"

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return otherLabel
}

func statusLabel(status int) string {
	if status != statusClientGone && http.StatusText(status) == "" {
		return otherLabel
	}
	return strconv.Itoa(status)
}

func codeLabel(code string) string {
	if _, known := ownCodes[code]; !known {
		return otherLabel
	}
	return code
}

// retryLabel is the outcome of a repetition or, where there was none, the reason.
func retryLabel(r Request) string {
	switch r.Replay {
	case replayed, refusedAgain, replayFailed:
		return r.Replay
	}
	switch r.Reason {
	case tokenGood, bodyNotKept, apiKeyUsed, refreshNoHelp:
		return r.Reason
	}
	return otherLabel
}

// refreshLabel is success, the two errors of the token endpoint that a person must see to, or failed.
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
