package admin

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// scrape reads /metrics as Prometheus does.
func (x *tester) scrape() map[string]*dto.MetricFamily {
	x.Helper()
	r := x.send(http.MethodGet, "/metrics", "")
	check(x.T, "status", r.status, http.StatusOK)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(r.body))
	if err != nil {
		x.Fatal(err)
	}
	return all
}

// series counts the series of our own metrics.
func series(all map[string]*dto.MetricFamily) int {
	n := 0
	for name, family := range all {
		if strings.HasPrefix(name, metricsPrefix) {
			n += len(family.Metric)
		}
	}
	return n
}

// value returns the value of the one series of a metric that has all these labels: name, value, name, ...
func value(t *testing.T, all map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range all[metricsPrefix+name].GetMetric() {
		if hasLabels(m, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Errorf("there is no %s%q", name, labels)
	return -1
}

func hasLabels(m *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if !slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == labels[i] && l.GetValue() == labels[i+1] }) {
			return false
		}
	}
	return true
}

// fakeProxy answers as told and is as busy as told.
type fakeProxy struct {
	http.Handler
	inFlight, inMemory, onDisk int64
}

func (p fakeProxy) InFlight() int64             { return p.inFlight }
func (p fakeProxy) ReplayBytes() (int64, int64) { return p.inMemory, p.onDisk }

func TestMetricsTellWhatWasPromised(t *testing.T) {
	expires, proven := time.Unix(2_000_000_000, 0), time.Unix(1_700_000_000, 0)
	acme := account("acme", tokens.Degraded, problem.RefreshFailing)
	acme.ExpiresAt, acme.ProvenAt = expires, proven
	x := newTesterWith(t, func(c *Config) { c.Proxy = fakeProxy{inFlight: 3, inMemory: 10, onDisk: 20} }, acme)
	x.handler.ObserveRequest(proxy.Exchange{Account: "acme", Method: "GET", Status: 200, Attempts: 2, Replay: proxy.ReplaySucceeded, Duration: time.Second, Upstream: time.Millisecond})
	x.handler.ObserveRequest(proxy.Exchange{Account: "acme", Method: "POST", Status: 401, Attempts: 1, Replay: proxy.ReplayNone, Reason: proxy.ReasonBodyNotKept})
	x.handler.ObserveRequest(proxy.Exchange{Account: "acme", Method: "GET", Status: 502, Code: "login-required"})
	x.handler.ObserveRequest(proxy.Exchange{Method: "GET", Status: 403, Code: "host-not-allowed"})
	x.handler.ObserveEvent(tokens.Event{Account: "acme", Kind: tokens.EventRefreshed, Duration: time.Second})
	x.handler.ObserveEvent(tokens.Event{Account: "acme", Kind: tokens.EventFailed, Err: errors.New("cut")})
	x.handler.ObserveEvent(tokens.Event{Account: "acme", Kind: tokens.EventFailed, Err: fmt.Errorf("x: %w", &tokens.EndpointError{Status: 400, Code: "invalid_grant"})})
	x.handler.ObserveStoreError("save")
	all := x.scrape()
	for _, row := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"requests_total", []string{"account", "acme", "method", "GET", "code", "200"}, 1},
		{"requests_total", []string{"account", "acme", "method", "POST", "code", "401"}, 1},
		{"requests_total", []string{"account", "", "method", "GET", "code", "403"}, 1},
		{"request_duration_seconds", nil, 4},
		{"upstream_duration_seconds", nil, 1},
		{"in_flight_requests", nil, 3},
		{"retries_total", []string{"account", "acme", "result", "replayed"}, 1},
		{"retries_total", []string{"account", "acme", "result", "body-not-kept"}, 1},
		{"refused_total", []string{"code", "login-required"}, 1},
		{"refused_total", []string{"code", "host-not-allowed"}, 1},
		{"refreshes_total", []string{"account", "acme", "result", "success"}, 1},
		{"refreshes_total", []string{"account", "acme", "result", "failed"}, 1},
		{"refreshes_total", []string{"account", "acme", "result", "invalid_grant"}, 1},
		{"refresh_duration_seconds", nil, 3},
		{"token_expiry_timestamp_seconds", []string{"account", "acme"}, 2_000_000_000},
		{"last_refresh_timestamp_seconds", []string{"account", "acme"}, 1_700_000_000},
		{"account_state", []string{"account", "acme", "state", "degraded"}, 1},
		{"account_state", []string{"account", "acme", "state", "ready"}, 0},
		{"store_errors_total", []string{"op", "save"}, 1},
		{"store_errors_total", []string{"op", "load"}, 0},
		{"build_info", []string{"version", "v1"}, 1},
		{"replay_bytes", []string{"where", "memory"}, 10},
		{"replay_bytes", []string{"where", "disk"}, 20},
	} {
		check(t, fmt.Sprint(row.name, row.labels), value(t, all, row.name, row.labels...), row.want)
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if all[name] == nil && !(name == "process_start_time_seconds" && !hasProc()) {
			t.Errorf("there is no %s", name)
		}
	}
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

func TestMetricsPassTheLinter(t *testing.T) {
	x := newTesterWith(t, func(c *Config) { c.Proxy = fakeProxy{} }, account("default", tokens.Ready, ""))
	x.handler.ObserveRequest(proxy.Exchange{Account: "default", Method: "GET", Status: 200, Attempts: 2, Replay: proxy.ReplaySucceeded, Code: "overloaded"})
	x.handler.ObserveEvent(tokens.Event{Account: "default", Kind: tokens.EventRefreshed})
	r := x.send(http.MethodGet, "/metrics", "")
	problems, err := promlint.New(strings.NewReader(r.body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
	gathered, err := testutil.GatherAndLint(x.handler.metrics.registry)
	if err != nil || len(gathered) > 0 {
		t.Errorf("%v %v", err, gathered)
	}
}

// HAZARDS H15: whatever unknown callers send, the number of series stays as it is.
func TestStrangeRequestsMakeNoSeries(t *testing.T) {
	x := newTesterWith(t, func(c *Config) { c.Proxy = fakeProxy{} }, account("default", tokens.Ready, ""))
	// Every kind of request once, with the strangest of each.
	kinds := func(i int) {
		name := fmt.Sprint("odd-", i)
		x.handler.ObserveRequest(proxy.Exchange{Account: "default", Method: "GET", Route: "/" + name, Status: 200, Attempts: 1})
		x.handler.ObserveRequest(proxy.Exchange{Account: name, Method: "GET", Status: 404, Code: "unknown-account"})
		x.handler.ObserveRequest(proxy.Exchange{Account: name, Method: "GET", Status: 503, Code: "store-unavailable"})
		x.handler.ObserveRequest(proxy.Exchange{Account: name, Method: "GET", Status: 400, Code: "bad-request"})
		x.handler.ObserveRequest(proxy.Exchange{Account: "default", Method: fmt.Sprint("M", i%100), Status: 405, Code: "method-not-allowed"})
		x.handler.ObserveRequest(proxy.Exchange{Account: "default", Method: "GET", Status: 600 + i%400, Attempts: 1})
		x.handler.ObserveRequest(proxy.Exchange{Account: "default", Method: "GET", Status: 500, Code: problem.Code(name), Replay: name, Reason: name, Attempts: 1})
		x.handler.ObserveEvent(tokens.Event{Account: "default", Kind: tokens.EventFailed, Err: &tokens.EndpointError{Code: name}})
	}
	kinds(0)
	before := series(x.scrape())
	for i := range 10_000 {
		kinds(i)
	}
	check(t, "series", series(x.scrape()), before)
	t.Logf("%d series of our own", before)
}

func TestTooManyAccountsShareOneLabel(t *testing.T) {
	var all []tokens.Status
	for i := range maxAccountLabels + 50 {
		s := account(fmt.Sprintf("a%04d", i), tokens.Ready, "")
		s.ExpiresAt = time.Unix(int64(3_000_000_000-i), 0)
		all = append(all, s)
	}
	x := newTester(t, all...)
	got := x.scrape()
	check(t, "series", len(got[metricsPrefix+"account_state"].Metric), 5*(maxAccountLabels+1))
	check(t, "others", value(t, got, "account_state", "account", otherLabel, "state", "ready"), 50)
	check(t, "first expiry of the others", value(t, got, "token_expiry_timestamp_seconds", "account", otherLabel), 3_000_000_000-maxAccountLabels-49)
	x.handler.ObserveRequest(proxy.Exchange{Account: "a1049", Method: "GET", Status: 200, Attempts: 1})
	check(t, "requests of the others", value(t, x.scrape(), "requests_total", "account", otherLabel), 1)
}

// What is not written down cannot be relied on, and what is written down must be there.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	acme := account("acme", tokens.Ready, "")
	acme.ExpiresAt, acme.ProvenAt = time.Unix(1, 0), time.Unix(1, 0)
	x := newTesterWith(t, func(c *Config) { c.Proxy = fakeProxy{} }, acme)
	x.handler.ObserveRequest(proxy.Exchange{Account: "acme", Method: "GET", Status: 502, Attempts: 2, Replay: proxy.ReplaySucceeded, Code: "overloaded"})
	x.handler.ObserveEvent(tokens.Event{Account: "acme", Kind: tokens.EventRefreshed})
	var got, want []string
	for name, family := range x.scrape() {
		if strings.HasPrefix(name, metricsPrefix) {
			var labels []string
			for _, l := range family.Metric[0].Label {
				labels = append(labels, "`"+l.GetName()+"`")
			}
			slices.Sort(labels)
			got = append(got, fmt.Sprint(name, " ", strings.ToLower(family.GetType().String()), " ", labels))
		}
	}
	for _, m := range regexp.MustCompile("\\| `(pandadoc_proxy_\\w+)` \\| (\\w+) \\| ([^|]+) \\|").FindAllStringSubmatch(string(text), -1) {
		labels := strings.Split(m[3], ", ")
		if m[3] == "–" {
			labels = nil
		}
		slices.Sort(labels)
		want = append(want, fmt.Sprint(m[1], " ", m[2], " ", labels))
	}
	slices.Sort(got)
	slices.Sort(want)
	check(t, "metrics", got, want)
}
