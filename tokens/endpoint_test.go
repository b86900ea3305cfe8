package tokens_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

func TestEveryTokenCallHasAConnectionOfItsOwn(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		for range 3 {
			if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
				t.Fatal(err)
			}
		}
		if w.dials != 3 {
			t.Errorf("%d connections for 3 calls", w.dials)
		}
	})
}

// After the certificate authority of the token endpoint was replaced, every refresh failed until a restart.
func TestTokenCallsTrustTheCurrentRoots(t *testing.T) {
	server := newAuthServer()
	endpoint := httptest.NewUnstartedServer(server)
	endpoint.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	endpoint.StartTLS()
	defer endpoint.Close()
	var roots atomic.Pointer[x509.CertPool]
	roots.Store(x509.NewCertPool())
	c := tokens.DefaultConfig()
	c.Store, c.API = tokens.NewMemory(), apiURL
	c.Endpoint = tokens.Endpoint{
		URL: endpoint.URL, ClientID: "id", ClientSecret: tokens.NewSecret("secret"),
		Transport: func() *http.Transport { return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots.Load()}} },
	}
	m, err := tokens.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(m)
	server.codes["code"] = true
	if _, err := m.SignIn(t.Context(), tokens.DefaultAccount, "code", redirectURL); err == nil || len(server.sent) > 0 {
		t.Fatalf("SignIn = %v at an endpoint of an unknown authority", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(endpoint.Certificate())
	roots.Store(pool)
	if _, err := m.SignIn(t.Context(), tokens.DefaultAccount, "code", redirectURL); err != nil {
		t.Error("with the new authority:", err)
	}
}

func TestRefreshTokenStaysIfTheAnswerHasNone(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		before := w.record().RefreshToken
		w.server.next(answers(200, nil, `{"access_token":"lonely"}`))
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		if rec := w.record(); rec.AccessToken.Reveal() != "lonely" || !rec.RefreshToken.Equal(before) {
			t.Error("the refresh token did not stay")
		}
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Error("the kept refresh token:", err)
		}
	})
}

func TestTokenRequest(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		var seen *http.Request
		m := w.signedIn(func(c *tokens.Config) {
			transport := c.Endpoint.Transport()
			transport.Proxy = func(r *http.Request) (*url.URL, error) {
				seen = r
				return nil, nil
			}
			c.Endpoint.Transport = func() *http.Transport { return transport }
		})
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		if seen.GetBody != nil {
			t.Error("a transport could send the request twice")
		}
		if seen.Header.Get("Authorization") != "" || strings.Contains(seen.URL.String(), "secret") {
			t.Error("the credentials belong into the body alone")
		}
	})
}

const redirectURL = "http://localhost:8081/oauth2/callback"

func TestSignIn(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager()
		w.server.codes["code"] = true
		if _, err := m.SignIn(t.Context(), tokens.DefaultAccount, "code", redirectURL); err != nil {
			t.Fatal(err)
		}
		token(t, m)
		if _, err := m.SignIn(t.Context(), tokens.DefaultAccount, "code", redirectURL); err == nil {
			t.Error("a code was traded twice")
		}
		token(t, m)
	})
}

// SIGQUIT, and a second SIGTERM, closed the Manager between the answer and the save: the pair was lost.
func TestSignInIsSavedAlthoughTheManagerIsClosed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager()
		w.server.codes["code"] = true
		w.server.next(takes(5 * time.Second))
		done := make(chan error)
		go func() {
			_, err := m.SignIn(t.Context(), tokens.DefaultAccount, "code", redirectURL)
			done <- err
		}()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error("Close:", err)
		}
		if err := <-done; err != nil {
			t.Error("SignIn:", err)
		}
		if rec := w.record(); !rec.HasTokens() {
			t.Error("the pair is not in the store")
		}
	})
}

// A token endpoint that did not answer delayed the end of the process by two minutes.
func TestCloseWaitsForASignInOnlyUntilItsContextEnds(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager()
		w.server.next(silent)
		go m.SignIn(t.Context(), tokens.DefaultAccount, "code", redirectURL)
		time.Sleep(time.Second)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		if _ = m.Close(ctx); time.Since(begin) > 26*time.Second {
			t.Errorf("Close took %v, and had 25 s", time.Since(begin))
		}
	})
}
