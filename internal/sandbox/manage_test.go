package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestManagementAddress(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.do("POST", "/emulator/echo?a=b;c", "hello").want(t, 200)
	var seen struct {
		Entries []Entry
		Stats   Stats
	}
	s.manage("GET", "/history", nil).want(t, 200).decode(t, &seen)
	e := seen.Entries[len(seen.Entries)-1]
	sum := sha256.Sum256([]byte("hello"))
	if e.Method != "POST" || e.Target != "/emulator/echo?a=b;c" || e.Status != 200 || e.Scheme != "Bearer" || e.Generation != 2 ||
		e.BodyBytes != 5 || e.BodySHA256 != hex.EncodeToString(sum[:]) || !e.BodyComplete || e.Number != 2 {
		t.Errorf("history: got %+v", e)
	}
	if text := fmt.Sprint(seen); strings.Contains(text, s.access) || strings.Contains(text, s.refresh) || strings.Contains(text, s.info.ClientSecret) {
		t.Error("the history shows a secret")
	}
	if seen.Stats.TokenCalls["refreshes"] != 1 || seen.Stats.Requests != 2 || seen.Stats.Statuses[200] != 2 {
		t.Errorf("stats: got %+v", seen.Stats)
	}

	s.manage("POST", "/expire", nil).want(t, 204)
	s.get("/public/v1/documents").want(t, 401)
	s.renew()
	s.get("/public/v1/documents").want(t, 200)

	s.manage("POST", "/revoke", nil).want(t, 204)
	s.get("/public/v1/documents").want(t, 401)
	s.token(nil).want(t, 400)
	if got := s.Info().RefreshToken; got != "" {
		t.Errorf("refresh token after revoke: got %q, want none", got)
	}
	var stats Stats
	if s.manage("GET", "/stats", nil).decode(t, &stats); stats.TokenCalls["invalid_grant"] != 1 || stats.Unauthorized != 2 {
		t.Errorf("stats: got %+v", stats)
	}

	s.manage("POST", "/fault", `[{"route":"api","kind":"delay","delay":"1ms"},{"route":"token","kind":"expires_in","expires_in":"3600","count":3}]`).want(t, 201)
	var faults struct{ Faults []Fault }
	s.manage("GET", "/fault", nil).want(t, 200).decode(t, &faults)
	if len(faults.Faults) != 2 || faults.Faults[0].Delay != Duration(time.Millisecond) || faults.Faults[1].Count != 3 || string(faults.Faults[1].ExpiresIn) != `"3600"` {
		t.Errorf("faults: got %+v", faults.Faults)
	}
	s.manage("DELETE", "/fault", nil).want(t, 204)
	if got := len(s.Faults()); got != 0 {
		t.Errorf("after DELETE: got %d faults", got)
	}
	s.manage("POST", "/clear", nil).want(t, 204)
	if s.manage("GET", "/history", nil).decode(t, &seen); len(seen.Entries) != 0 || seen.Stats.Requests != 0 {
		t.Errorf("after clear: got %+v", seen)
	}
}

func TestManagementRefusesWebPages(t *testing.T) {
	s := start(t, Options{Calm: true})
	for _, tt := range []struct {
		name, method string
		header       map[string]string
		status       int
	}{
		{"plain client", "POST", nil, 204},
		{"own page", "POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, 204},
		{"foreign page", "POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"foreign origin", "POST", map[string]string{"Origin": "https://evil.example"}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := s.try(tt.method, s.info.Manage+"/clear", "", nil, tt.header)
			if err != nil {
				t.Fatal(err)
			}
			a.want(t, tt.status)
		})
	}
	for host, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1": true, "[::1]:80": true, "localhost.evil.example": false, "evil.example:80": false, "0.0.0.0:1": false,
	} {
		if got := loopbackHost(host); got != want {
			t.Errorf("Host %s: got %t, want %t", host, got, want)
		}
	}
}

func TestHistoryIsLimited(t *testing.T) {
	h := newHistory(3)
	for i := range 8 {
		h.put(Entry{Target: fmt.Sprint(i)})
	}
	var got []string
	for _, e := range h.entries() {
		got = append(got, fmt.Sprint(e.Number, ":", e.Target))
	}
	if want := "[6:5 7:6 8:7]"; fmt.Sprint(got) != want || h.stats().Requests != 8 {
		t.Errorf("got %v of %d, want %v of 8", got, h.stats().Requests, want)
	}
	s := startSignedIn(t, Options{Calm: true})
	s.get("/public/v1/documents?q="+strings.Repeat("x", 10_000)).want(t, 200)
	if got := len(s.last().Target); got > 2100 {
		t.Errorf("target kept: got %d bytes", got)
	}
}

func TestTheOldestTokensMakeRoom(t *testing.T) {
	g := newGrants(newRandom(1, "test"), time.Hour)
	for range maxPairs + 10 {
		g.issueLocked(0, defaultScope, time.Now())
	}
	if len(g.pairs) != maxPairs || len(g.byAccess) != maxPairs || len(g.byRefresh) != maxPairs {
		t.Errorf("pairs: got %d, %d, %d, want %d", len(g.pairs), len(g.byAccess), len(g.byRefresh), maxPairs)
	}
}

// TestASharedRefreshTokenStaysValid: with a server that does not rotate, a pair has the refresh token of the pair before.
// The token became unknown when the older pair made room.
func TestASharedRefreshTokenStaysValid(t *testing.T) {
	g := newGrants(newRandom(1, "test"), time.Hour)
	refresh := g.firstRefreshToken()
	for _, others := range []int{0, maxPairs - 1} {
		for range others {
			g.consented(defaultScope, time.Now())
		}
		if _, _, ok := g.rotate(refresh, &Fault{Kind: FaultNoRefreshToken}, time.Now()); !ok {
			t.Errorf("refused after %d other grants", others)
		}
	}
}
