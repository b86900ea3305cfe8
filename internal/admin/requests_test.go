package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

func TestRequestsAreToldNewestFirstAndBounded(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	for i := range maxRequests + 10 {
		x.handler.ObserveRequest(proxy.Exchange{RequestID: fmt.Sprint("id", i), Start: time.Now(), Method: "GET", Status: 200, Attempts: 1, Generation: 1})
	}
	var got Requests
	x.send(http.MethodGet, "/api/v1/requests?limit=500", "").decode(t, &got)
	check(t, "kept", len(got.Requests), maxRequests)
	check(t, "newest", got.Requests[0].RequestID, fmt.Sprint("id", maxRequests+9))
	check(t, "oldest", got.Requests[maxRequests-1].RequestID, "id10")
	x.send(http.MethodGet, "/api/v1/requests", "").decode(t, &got)
	check(t, "shown without a limit", len(got.Requests), shownRequests)
	check(t, "forgotten", x.send(http.MethodGet, "/api/v1/requests/id9", "").code(t), "unknown-request")
	var one RequestReport
	x.send(http.MethodGet, "/api/v1/requests/id10", "").decode(t, &one)
	check(t, "found", one.RequestID, "id10")
	for _, limit := range []string{"-1", "501", "x"} {
		check(t, limit, x.send(http.MethodGet, "/api/v1/requests?limit="+limit, "").code(t), "invalid-input")
	}
}

// Request ids of the API can have slashes and dots. The answers for such ids were 404 and a redirect.
func TestRequestIDsWithSlashes(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	for _, id := range []string{"host/6fGa2-000001", "a/b/c", "Root=1-67891233-abcdef", "a b", "a%2Fb", "é?#", "a//b", "a/../b", ".."} {
		x.handler.ObserveRequest(proxy.Exchange{RequestID: id, Start: time.Now(), Method: "GET", Status: 200})
		var one RequestReport
		x.send(http.MethodGet, "/api/v1/requests/"+url.PathEscape(id), "").decode(t, &one)
		check(t, id, one.RequestID, id)
	}
}

func TestTrafficOfTheLastHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l requestLog
		time.Sleep(time.Minute - time.Since(time.Now().Truncate(time.Minute)))
		for i := range 100 {
			l.add(proxy.Exchange{Start: time.Now(), Status: 200, Duration: time.Duration(i+1) * time.Millisecond})
		}
		l.add(proxy.Exchange{Start: time.Now(), Status: 502, Code: "upstream-unreachable"})
		l.add(proxy.Exchange{Start: time.Now(), Status: 500})
		l.add(proxy.Exchange{Start: time.Now(), Status: 404})
		l.add(proxy.Exchange{Start: time.Now(), Status: proxy.StatusClientGone, Code: "bad-request"})
		hour := l.hour(time.Now())
		check(t, "minutes", len(hour), maxMinutes)
		last := hour[maxMinutes-1]
		check(t, "requests", last.Requests, 104)
		check(t, "errors", last.Errors, 2)
		check(t, "median", last.Median, Milliseconds(50*time.Millisecond))
		check(t, "95 %", last.P95, Milliseconds(100*time.Millisecond))
		time.Sleep(59 * time.Minute)
		check(t, "after 59 minutes", l.hour(time.Now())[0].Requests, 104)
		time.Sleep(time.Minute)
		for _, m := range l.hour(time.Now()) {
			if m.Requests > 0 {
				t.Errorf("after an hour got %d requests at %s", m.Requests, m.At)
			}
		}
	})
}

// The chart said that half of the answers took at most 60 s, although each took ten minutes.
func TestNoBoundIsBelowWhatAnswersTook(t *testing.T) {
	var l requestLog
	for range 3 {
		l.add(proxy.Exchange{Start: time.Now().Add(-10 * time.Minute), Status: 200, Duration: 10 * time.Minute})
	}
	hour := l.hour(time.Now())
	if got := hour[maxMinutes-1].Median + hour[maxMinutes-2].Median; got < Milliseconds(10*time.Minute) {
		t.Errorf("the median is at most %v, want 10 minutes", time.Duration(got))
	}
}

func TestExplanationsSayWhatHappened(t *testing.T) {
	for _, row := range []struct {
		name string
		r    proxy.Exchange
		want []string
	}{
		{"plain", proxy.Exchange{Status: 200, Account: "acme", Attempts: 1, Generation: 3, Duration: 1500 * time.Microsecond},
			[]string{"PandaDoc answered 200 after 1.5 ms.", "the token of account acme, generation 3"}},
		{"replayed", proxy.Exchange{Status: 201, Attempts: 2, Replay: proxy.ReplaySucceeded, RefusedGeneration: 3, Generation: 4, Spooled: 10, SpooledOn: "memory"},
			[]string{"refused the token of generation 3 with 401. The proxy got generation 4 and repeated", "kept 10 bytes of the body in memory"}},
		{"replay refused", proxy.Exchange{Status: 401, Attempts: 2, Replay: proxy.ReplayRefused, RefusedGeneration: 3, Generation: 4}, []string{"PandaDoc refused that too"}},
		{"no newer token", proxy.Exchange{Status: 502, Code: "login-required", Hint: "run: x login", Attempts: 1, Replay: proxy.ReplayFailed, RefusedGeneration: 3},
			[]string{"itself answered 502 (login-required)", "could not get a newer token", "Next: run: x login"}},
		{"token good", proxy.Exchange{Status: 401, Attempts: 1, Replay: proxy.ReplayNone, Reason: proxy.ReasonTokenGood, RefusedGeneration: 3}, []string{"not the reason for the 401"}},
		{"API key", proxy.Exchange{Status: 401, Attempts: 1, Replay: proxy.ReplayNone, Reason: proxy.ReasonAPIKey}, []string{"PandaDoc answered 401. An API key cannot be refreshed."}},
		{"body not kept", proxy.Exchange{Status: 401, Attempts: 1, Replay: proxy.ReplayNone, Reason: proxy.ReasonBodyNotKept, RefusedGeneration: 3, BytesIn: 7},
			[]string{"too large to keep", "--replay-disk", "no copy of the body (7 bytes)"}},
		{"on disk", proxy.Exchange{Status: 200, Attempts: 1, Generation: 1, Spooled: 10, SpooledOn: "disk"}, []string{"temporary file"}},
		{"guard", proxy.Exchange{Status: 403, Code: "host-not-allowed", Detail: "The Host a is not a name of this proxy.", Hint: "allow it"}, []string{"(host-not-allowed). The Host a is not a name", "not sent to PandaDoc", "Next: allow it"}},
		{"unknown code", proxy.Exchange{Status: 418, Code: "teapot"}, []string{"itself answered 418 (teapot)"}},
		{"client gone", proxy.Exchange{Status: proxy.StatusClientGone, Attempts: 1, Generation: 1, Duration: 90 * time.Second}, []string{"closed its connection before it had the answer, after 90 s"}},
		{"cut", proxy.Exchange{Status: 200, Cut: true, Attempts: 1, Generation: 1, Duration: 2500 * time.Millisecond}, []string{"was cut off after 2.50 s"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Join(report(row.r).Explanation, "\n")
			for _, want := range row.want {
				if !strings.Contains(text, want) {
					t.Errorf("got %q, want %q in it", text, want)
				}
			}
		})
	}
}

// A request that PandaDoc never answered was said to have had its token accepted; a request that was sent twice because
// PandaDoc had not processed it, to have been repeated after a 401.
func TestExplanationsClaimNothingThatDidNotHappen(t *testing.T) {
	for _, row := range []struct {
		name string
		r    proxy.Exchange
		not  []string
	}{
		{"no answer", proxy.Exchange{Status: 504, Code: "upstream-timeout", Account: "acme", Attempts: 1, Generation: 3}, []string{"accepted"}},
		{"nothing was sent", proxy.Exchange{Status: 502, Code: "upstream-unreachable", Account: "acme", Attempts: 1, Generation: 3}, []string{"accepted"}},
		{"the client went away first", proxy.Exchange{Status: proxy.StatusClientGone, Account: "acme", Attempts: 1, Generation: 3}, []string{"accepted"}},
		{"sent twice before the 401", proxy.Exchange{Status: 502, Code: "login-required", Attempts: 2, Replay: proxy.ReplayFailed, RefusedGeneration: 3, Generation: 3}, []string{"repeated the request, but"}},
		{"sent twice, with no 401", proxy.Exchange{Status: 200, Attempts: 2, Generation: 3}, []string{"401"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Join(report(row.r).Explanation, "\n")
			for _, not := range row.not {
				if strings.Contains(text, not) {
					t.Errorf("got %q, want no %q in it", text, not)
				}
			}
		})
	}
}
