package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// maxMember bounds the answers that are read. Real ones have a kilobyte.
const maxMember = 64 << 10

// member is what GET /public/v1/members/current says.
type member struct {
	Email         string `json:"email"`
	FirstName     string `json:"first_name"`
	LastName      string `json:"last_name"`
	Workspace     string `json:"workspace"`
	WorkspaceName string `json:"workspace_name"`
}

func (m member) String() string {
	text := strings.TrimSpace(m.FirstName + " " + m.LastName)
	if m.Email != "" {
		text += " <" + m.Email + ">"
	}
	if w := cmp.Or(m.WorkspaceName, m.Workspace); w != "" {
		text += " in the workspace " + w
	}
	return cmp.Or(strings.TrimSpace(text), "somebody it does not name")
}

// members asks the API who each account is. This is the cheapest call, and changes nothing.
func (x *examination) members(ctx context.Context) (found []finding) {
	for _, p := range x.patients(ctx) {
		found = append(found, x.member(ctx, p))
	}
	return found
}

func (x *examination) member(ctx context.Context, p patient) finding {
	t, err := p.token(time.Now())
	if err != nil {
		return skipped("account " + p.name + ": " + err.Error())
	}
	if x.config.Upstream.API.Host == "" {
		return skipped("no URL could be read: see configuration")
	}
	var who member
	status, err := x.ask(ctx, t, "/public/v1/members/current", &who)
	switch {
	case err != nil:
		return skipped(fmt.Sprintf("account %s: no answer: see connection and tls", p.name))
	case status == http.StatusOK:
		return fine(fmt.Sprintf("account %s is %s", p.name, who))
	case status == http.StatusUnauthorized:
		return x.unauthorized(ctx, p, t)
	case status == http.StatusTooManyRequests:
		return worrying(fmt.Sprintf("account %s: PandaDoc limits the rate of requests (HTTP 429)", p.name),
			"wait a minute; a sandbox key is good for 10 requests a minute in all")
	case status == http.StatusForbidden:
		return failing(fmt.Sprintf("account %s: PandaDoc knows the token and refuses it (HTTP 403)", p.name),
			"check in PandaDoc that the user is active and the plan includes the API")
	}
	return failing(fmt.Sprintf("account %s: the API answers HTTP %d", p.name, status), "check --api-url; try again later if it is right")
}

// unauthorized finds out whether the credential was given as what it is: a token and an API key look the
// same. It is shown to nobody who has not just seen it.
func (x *examination) unauthorized(ctx context.Context, p patient, t tokens.Token) finding {
	other := t
	other.Scheme = map[string]string{tokens.Bearer: tokens.APIKey, tokens.APIKey: tokens.Bearer}[t.Scheme]
	if status, err := x.ask(ctx, other, "/public/v1/members/current", &member{}); err == nil && status == http.StatusOK {
		if other.Scheme == tokens.APIKey {
			return failing("account "+p.name+": what was given as an access token is an API key",
				"set it as PANDADOC_API_KEY (or --api-key-file) instead of PANDADOC_ACCESS_TOKEN")
		}
		return failing("account "+p.name+": what was given as an API key is an access token",
			"set it as PANDADOC_ACCESS_TOKEN (or --access-token-file) instead of PANDADOC_API_KEY")
	}
	where := fmt.Sprintf("account %s: %s refuses its %s (HTTP 401)", p.name, x.config.Upstream.API.Host, credentialName(t))
	region := "check that the account is in this region (--region is " + x.command.Region + ")"
	switch {
	case t.Scheme == tokens.APIKey:
		return failing(where, "get a new key from the developer dashboard, where the old one ends with it; "+region)
	case p.record.IsRejected() || p.record.RefreshToken.IsZero() && p.config.RefreshToken.IsZero():
		return needsLogin(where, region+"; then "+loginFix(p.name))
	}
	return failing(where, region+"; if it is, the token was revoked: \""+programName+" doctor --refresh\" tries to replace it, else "+loginFix(p.name))
}

func credentialName(t tokens.Token) string {
	if t.Scheme == tokens.APIKey {
		return "API key"
	}
	return "access token"
}

// ask sends a GET with a token to the API, and to nobody else: redirects are not followed.
func (x *examination) ask(ctx context.Context, t tokens.Token, path string, into any) (status int, err error) {
	transport := transport(x.config.Upstream, lookTimeout/2)
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(x.config.Upstream.API.String(), "/")+path, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", t.Authorization())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", programName)
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, nil
	}
	return answer.StatusCode, json.NewDecoder(io.LimitReader(answer.Body, maxMember)).Decode(into)
}

// sandboxKeys tells whose API key is one for trying things out, by the mark that PandaDoc puts in front
// of the names of its documents.
func (x *examination) sandboxKeys(ctx context.Context) (found []finding) {
	keys := 0
	for _, p := range x.patients(ctx) {
		if p.config.APIKey.IsZero() {
			continue
		}
		keys++
		if t, err := p.token(time.Now()); err == nil && x.isSandboxKey(ctx, t) {
			found = append(found, worrying("account "+p.name+": a sandbox key: 10 requests a minute in all, documents are marked [DEV], protected downloads always answer 401",
				"use a production key, or sign in with an application, when this is not for trying out"))
		}
	}
	switch {
	case keys == 0:
		return []finding{fine("no API key is in use")}
	case len(found) == 0:
		return []finding{fine("no API key is a sandbox key, as far as its documents show")}
	}
	return found
}

func (x *examination) isSandboxKey(ctx context.Context, t tokens.Token) bool {
	var list struct {
		Results []struct {
			Name string `json:"name"`
		} `json:"results"`
	}
	status, err := x.ask(ctx, t, "/public/v1/documents?count=1", &list)
	return err == nil && status == http.StatusOK && len(list.Results) > 0 && strings.HasPrefix(list.Results[0].Name, "[DEV]")
}
