package sandbox

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestDefaultBehaviourIsHiddenFromAClientThatRefreshes plays a client that renews and repeats a request once
// after a 401, as the proxy does. It must never be refused twice for one request.
func TestDefaultBehaviourIsHiddenFromAClientThatRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{})
		for range 2000 {
			time.Sleep(500 * time.Millisecond)
			a := s.get("/public/v1/documents")
			if a.StatusCode == 401 {
				s.get("/public/v1/members/current").want(t, 401) // invalid for good
				s.renew()
				a = s.get("/public/v1/documents")
			}
			a.want(t, 200)
		}
		stats := s.Stats()
		if stats.EarlyRefusals < 10 || stats.TokenCalls["refreshes"] < 10 || stats.TokenCalls["invalid_grant"] != 0 {
			t.Errorf("got %d early refusals and %v", stats.EarlyRefusals, stats.TokenCalls)
		}
	})
}

// After a 401 that is not about the token, a careful client checks whether the token works. If that check were
// refused early, the client would refresh, get the same 401, and conclude that a refresh does not help.
func TestAProbeAfterA401IsNotRefusedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{})
		looks := 0
		for range 500 {
			time.Sleep(15 * time.Second)
			a := s.get("/public/v1/documents/x/download-protected").want(t, 401)
			if !strings.Contains(string(a.body), "Protected") {
				s.renew() // this one was about the token
				continue
			}
			s.get("/public/v1/members/current").want(t, 200)
			looks++
		}
		if looks < 300 {
			t.Errorf("looks: got %d of 500", looks)
		}
	})
}

// A request in progress with the old token is refused after a refresh, and repeated with the new one. The new one
// must still be valid then.
func TestAFreshTokenIsNotRefusedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{})
		for range 300 {
			time.Sleep(15 * time.Second)
			s.renew()
			time.Sleep(quietTime - time.Second)
			s.get("/public/v1/members/current").want(t, 200)
		}
	})
}

func TestExpiresInIsSometimesAStringOrMissing(t *testing.T) {
	s := start(t, Options{})
	kinds := map[string]int{}
	for range 100 {
		pair := s.token(nil).want(t, 200).object(t)
		kinds[fmt.Sprintf("%T", pair["expires_in"])]++
		s.refresh = pair["refresh_token"].(string)
	}
	for kind, least := range map[string]int{"float64": 40, "string": 5, "<nil>": 5} {
		if kinds[kind] < least {
			t.Errorf("expires_in as %s: got %d of 100, want at least %d", kind, kinds[kind], least)
		}
	}
}

func TestCalmHasNoMisbehaviour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{Calm: true})
		for range 500 {
			time.Sleep(time.Minute)
			s.get("/public/v1/documents").want(t, 200)
		}
		if stats := s.Stats(); stats.EarlyRefusals != 0 || stats.Faults != 0 {
			t.Errorf("got %+v", stats)
		}
	})
}

func TestChaosIsVisibleAndASeedRepeatsIt(t *testing.T) {
	run := func() map[string]int {
		outcomes := map[string]int{}
		synctest.Test(t, func(t *testing.T) {
			e := startInChaos(t)
			for range 600 {
				began := time.Now()
				a, err := e.try("GET", "/public/v1/documents", "", nil, nil)
				switch {
				case err != nil:
					outcomes["cut"]++
				case a.StatusCode == 401:
					e.renewPatiently()
					outcomes["401"]++
				case a.StatusCode == 429 && a.Header.Get("Retry-After") == "":
					t.Error("429 without Retry-After")
				case time.Since(began) > 0:
					outcomes["slow"]++
				default:
					outcomes[fmt.Sprint(a.StatusCode, " ", a.Header.Get("Content-Type"))]++
				}
				time.Sleep(time.Second)
			}
		})
		return outcomes
	}
	first := run()
	for _, kind := range []string{"cut", "slow", "401", "429 application/json", "502 text/html; charset=utf-8", "200 application/json"} {
		if first[kind] == 0 {
			t.Errorf("no %s in %v", kind, first)
		}
	}
	if second := run(); fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("one seed, two runs: %v and %v", first, second)
	}
}

// startInChaos signs in through a token endpoint that is down now and then.
func startInChaos(t *testing.T) *service {
	t.Helper()
	calm := startInBubble(t, Options{Calm: true})
	e, err := New(Options{Chaos: true, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	calm.Server.Emulator = e
	calm.client.Transport = direct{"api.test": e.API()}
	calm.refresh = e.grants.firstRefreshToken()
	calm.renewPatiently()
	return calm
}

// renewPatiently repeats a refresh that failed because of an outage: the endpoint has not processed it.
func (s *service) renewPatiently() {
	s.t.Helper()
	for range 20 {
		if a := s.token(nil); a.StatusCode == 200 {
			pair := a.object(s.t)
			s.access, s.refresh = pair["access_token"].(string), pair["refresh_token"].(string)
			return
		} else if a.StatusCode != 503 {
			s.t.Fatalf("refresh: got %s %s", a.Status, a.body)
		}
	}
	s.t.Fatal("refresh: 20 outages in a row")
}

// sharedToken is the token of many clients in one process. One of them renews it for all.
type sharedToken struct {
	mu     sync.Mutex // guards access; held during a refresh
	access string
}

func (s *sharedToken) get() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.access
}

// renew refreshes unless somebody else has done so since rejected was sent.
func (s *sharedToken) renew(t *testing.T, svc *service, rejected string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access == rejected {
		svc.renew()
		s.access = svc.access
	}
	return s.access
}

func TestDefaultBehaviourIsHiddenFromConcurrentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{})
		shared := &sharedToken{access: s.access}
		get := func(access string) int {
			a, err := s.try("GET", s.info.API+"/public/v1/members/current", "", nil, map[string]string{"Authorization": "Bearer " + access})
			if err != nil {
				t.Error(err)
			}
			return a.StatusCode
		}
		var clients sync.WaitGroup
		for i := range 20 {
			clients.Go(func() {
				for range 200 {
					time.Sleep(time.Duration(100+37*i) * time.Millisecond)
					token := shared.get()
					// A request can take long, and others renew the token in the meantime.
					time.Sleep(time.Duration(i) * 50 * time.Millisecond)
					if get(token) == 200 {
						continue
					}
					token = shared.renew(t, s, token)
					time.Sleep(3 * time.Second) // a large body takes time to send again
					if status := get(token); status != 200 {
						t.Errorf("the repeated request: got %d", status)
					}
				}
			})
		}
		clients.Wait()
		if stats := s.Stats(); stats.EarlyRefusals < 3 || stats.TokenCalls["refreshes"] != stats.EarlyRefusals+1 {
			t.Errorf("got %d early refusals and %v", stats.EarlyRefusals, stats.TokenCalls)
		}
	})
}
