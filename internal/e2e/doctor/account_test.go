package doctor

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

func accountFaults() []fault {
	return []fault{
		{
			name:  "nobody has signed in",
			plant: func(w *installation) { delete(w.env, "REFRESH_TOKEN") },
			check: "token", seen: "nobody has signed in to account default", fix: "run: pandadoc-auth-proxy login", exit: 3,
		},
		{
			name:  "somebody has logged out",
			plant: func(w *installation) { w.signIn(); w.run("logout") },
			check: "token", seen: "account default was logged out", fix: "run: pandadoc-auth-proxy login", exit: 3,
		},
		{
			name: "an account of its own that nobody signed in",
			plant: func(w *installation) {
				w.signIn()
				w.args = []string{"--account", "acme"}
			},
			check: "token", seen: "nobody has signed in to account acme", fix: "login --account acme", exit: 3,
		},
		{
			name: "an expired token",
			plant: func(w *installation) {
				w.signIn()
				w.rewrite(map[string]any{"expires_at": time.Now().Add(-time.Hour)})
			},
			check: "token", seen: "its token expired", fix: "doctor --refresh", exit: 0,
		},
		{
			name: "no access token yet",
			plant: func(w *installation) {
				w.signIn()
				w.rewrite(map[string]any{"expires_at": nil, "access_token": ""})
			},
			check: "token", seen: "no access token yet", fix: "doctor --refresh", exit: 0,
		},
		{
			name: "an expired token and no way to a new one",
			plant: func(w *installation) {
				w.signIn()
				w.rewrite(map[string]any{"expires_at": time.Now().Add(-time.Hour), "refresh_token": ""})
			},
			check: "token", seen: "there is no refresh token", fix: "login", exit: 3,
		},
		{
			name:  "a refresh token that was spent elsewhere",
			plant: func(w *installation) { w.signIn(); w.spendElsewhere(); w.run("refresh") },
			check: "token", seen: "the token endpoint refused the refresh token", fix: "run: pandadoc-auth-proxy login", exit: 3,
			also: []string{"api"},
		},
		{
			name: "a refresh that was cut off",
			plant: func(w *installation) {
				w.signIn()
				w.rewrite(map[string]any{"unconfirmed_since": time.Now().Add(-time.Minute)})
			},
			check: "token", seen: "a refresh was interrupted", fix: "wait", exit: 0,
		},
		{
			name:  "a token that the API refuses before its time",
			plant: func(w *installation) { w.signIn(); w.emulator.Expire() },
			check: "api", seen: "refuses its access token (HTTP 401)", fix: "doctor --refresh", exit: 1,
		},
		{
			name:  "the token of another region",
			plant: func(w *installation) { w.signIn(); w.use(fakeAPI{bearer: "another"}); w.bindToAPI() },
			check: "api", seen: "refuses its access token (HTTP 401)", fix: "check that the account is in this region (--region is global)", exit: 1,
		},
		{
			name:  "tokens of another API",
			plant: func(w *installation) { w.signIn(); w.use(fakeAPI{}) },
			check: "token", seen: "the stored tokens belong to http://127.0.0.1:", fix: "or sign in with the new configuration: pandadoc-auth-proxy login", exit: 3,
		},
		{
			name: "tokens of another client",
			plant: func(w *installation) {
				w.signIn()
				w.env["CLIENT_ID"] = strings.Repeat("0", 20)
			},
			check: "token", seen: "requests work as long as the access token does", fix: "change the configuration back", exit: 0,
		},
		{
			name: "an API key that was given as an access token",
			plant: func(w *installation) {
				delete(w.env, "REFRESH_TOKEN")
				w.env["ACCESS_TOKEN"] = fakeToken
				w.secrets = append(w.secrets, fakeToken)
				w.use(fakeAPI{key: fakeToken})
			},
			check: "api", seen: "the value given as an access token is an API key", fix: "PANDADOC_API_KEY", exit: 1,
		},
		{
			name:  "an access token that was given as an API key",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.use(fakeAPI{bearer: fakeToken}) },
			check: "api", seen: "the value given as an API key is an access token", fix: "PANDADOC_ACCESS_TOKEN", exit: 1,
		},
		{
			name:  "an API key that was replaced",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.use(fakeAPI{key: "newer"}) },
			check: "api", seen: "refuses its API key (HTTP 401)", fix: "create a new key in the developer dashboard", exit: 1,
		},
		{
			name:  "a sandbox key",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.use(fakeAPI{key: fakeToken, document: "[DEV] Offer"}) },
			check: "sandbox key", seen: "10 requests a minute", fix: "use a production key", exit: 0,
		},
		{
			name:  "too many requests",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.use(fakeAPI{status: http.StatusTooManyRequests}) },
			check: "api", seen: "HTTP 429", fix: "wait a minute", exit: 0,
		},
		{
			name:  "a user who may not use the API",
			plant: func(w *installation) { w.signIn(); w.use(fakeAPI{status: http.StatusForbidden}); w.bindToAPI() },
			check: "api", seen: "HTTP 403", fix: "the plan includes the API", exit: 1,
		},
	}
}

// bindToAPI makes the stored tokens those of the configured API and token endpoint.
func (w *installation) bindToAPI() {
	w.Helper()
	issuer := w.record()["issuer"].(map[string]any)
	issuer["api"], issuer["token_url"] = w.env["API_URL"], w.env["TOKEN_URL"]
	delete(w.env, "REFRESH_TOKEN") // was used under another issuer
	w.rewrite(map[string]any{"issuer": issuer})
}

// spendElsewhere uses the stored refresh token as another program would: both tokens of the store are
// dead then.
func (w *installation) spendElsewhere() {
	w.Helper()
	resp, err := http.PostForm(w.emulator.Info["token_url"], url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {w.record()["refresh_token"].(string)},
		"client_id": {w.env["CLIENT_ID"]}, "client_secret": {w.env["CLIENT_SECRET"]},
	})
	if err != nil {
		w.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.Fatalf("the token endpoint answers %s", resp.Status)
	}
}
