package cli

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// probeTimeout bounds the question whether the API still accepts a token: somebody waits for a replay.
const probeTimeout = 10 * time.Second

// probeBody is how much of the probe's answer is read, so that its connection can be used again.
const probeBody = 64 << 10

// probe returns a function that asks the API whether it still accepts a token. Exactly 200 proves it;
// every other answer, and none, prove nothing.
func probe(api *url.URL, path string, transport http.RoundTripper) func(context.Context, tokens.Token) bool {
	if path == "" {
		return nil
	}
	target := strings.TrimSuffix(api.String(), "/") + path
	return func(ctx context.Context, t tokens.Token) bool {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return false
		}
		r.Header.Set("Authorization", t.Authorization())
		r.Header.Set("Accept", "application/json")
		r.Header.Set("User-Agent", programName)
		// The transport itself follows no redirect, so the token stays at the API's origin.
		answer, err := transport.RoundTrip(r)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		io.Copy(io.Discard, io.LimitReader(answer.Body, probeBody))
		return answer.StatusCode == http.StatusOK
	}
}
