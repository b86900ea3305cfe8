package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// maxMember is the longest answer that is read, in bytes. Real ones have a kilobyte.
const maxMember = 64 << 10

// member is the answer of GET /public/v1/members/current.
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

// MemberPath is the cheapest call of the API, and changes nothing.
const MemberPath = "/public/v1/members/current"

// MemberName returns the name in an answer of MemberPath, for messages. It returns "" if body is no such
// answer.
func MemberName(body []byte) string {
	var m member
	if json.Unmarshal(body, &m) != nil || m == (member{}) {
		return ""
	}
	return m.String()
}

// AskMember asks the API whose token t is. It returns "" if that cannot be found out.
func AskMember(ctx context.Context, u config.Upstream, t tokens.Token) string {
	var m member
	if status, err := ask(ctx, u, t, MemberPath, &m); err != nil || status != http.StatusOK {
		return ""
	}
	return m.String()
}

// members asks the API for the user of each account.
func (x *examination) members(ctx context.Context) (found []Finding) {
	all := x.accounts(ctx)
	for _, a := range all[:min(len(all), manyAccounts)] {
		found = append(found, x.member(ctx, a))
	}
	if n := len(all) - manyAccounts; n > 0 {
		found = append(found, skipped(fmt.Sprintf("%d more accounts were not checked; --account NAME checks one", n)))
	}
	return found
}

func (x *examination) member(ctx context.Context, a account) Finding {
	t, err := x.token(a, time.Now())
	if err != nil {
		return skipped("account " + a.name + ": " + err.Error())
	}
	if x.Config.Upstream.API.Host == "" {
		return skipped("no URL could be read: see configuration")
	}
	var who member
	status, err := ask(ctx, x.Config.Upstream, t, MemberPath, &who)
	switch {
	case err != nil:
		return skipped(fmt.Sprintf("account %s: no answer: see connection and tls", a.name))
	case status == http.StatusOK:
		return fine(fmt.Sprintf("account %s is %s", a.name, who))
	case status == http.StatusUnauthorized:
		return x.unauthorized(ctx, a, t)
	case status == http.StatusTooManyRequests:
		return warning(fmt.Sprintf("account %s: PandaDoc limits the rate of requests (HTTP 429)", a.name),
			"wait a minute; a sandbox key allows 10 requests a minute in all")
	case status == http.StatusForbidden:
		return failing(fmt.Sprintf("account %s: PandaDoc knows the token and refuses it (HTTP 403)", a.name),
			"check in PandaDoc that the user is active and the plan includes the API")
	}
	return failing(fmt.Sprintf("account %s: the API answers HTTP %d", a.name, status), "check --api-url; try again later if it is right")
}

// unauthorized finds out if an API key was given as a token, or the reverse: they look the same. It sends the
// credential only to the API that has just refused it.
func (x *examination) unauthorized(ctx context.Context, a account, t tokens.Token) Finding {
	other := t
	other.Scheme = map[string]string{tokens.Bearer: tokens.APIKey, tokens.APIKey: tokens.Bearer}[t.Scheme]
	if status, err := ask(ctx, x.Config.Upstream, other, MemberPath, &member{}); err == nil && status == http.StatusOK {
		if other.Scheme == tokens.APIKey {
			return failing("account "+a.name+": the value given as an access token is an API key",
				"set it as PANDADOC_API_KEY or --api-key-file (in the configuration file: api-key or api-key-file), and not as an access token")
		}
		return failing("account "+a.name+": the value given as an API key is an access token",
			"set it as PANDADOC_ACCESS_TOKEN or --access-token-file (in the configuration file: access-token or access-token-file), and not as an API key")
	}
	refuses := fmt.Sprintf("account %s: %s refuses its ", a.name, x.Config.Upstream.API.Host)
	region := "check that the account is in this region (--region is " + x.Config.Upstream.Region + ")"
	switch {
	case t.Scheme == tokens.APIKey:
		return failing(refuses+"API key (HTTP 401)", "create a new key in the developer dashboard (the old key then stops working); "+region)
	case a.record.IsRejected() || a.record.RefreshToken.IsZero() && a.config.RefreshToken.IsZero():
		return needsLogin(refuses+"access token (HTTP 401)", region+"; then "+loginFix(a.name))
	}
	return failing(refuses+"access token (HTTP 401)", region+"; if it is, the token was revoked: \""+problem.Program+" doctor --refresh\" tries to replace it, else "+loginFix(a.name))
}

// token returns the account's current token or API key, or an error if there is none. A token of another API is
// not sent here.
func (x *examination) token(a account, now time.Time) (tokens.Token, error) {
	t := tokens.Token{Account: a.name, Scheme: tokens.Bearer, ExpiresAt: a.record.ExpiresAt}
	here := x.issuer()
	seeds := a.config.Fresh(a.record, here)
	switch {
	case !a.config.APIKey.IsZero():
		t.Scheme, t.Access = tokens.APIKey, a.config.APIKey
	case a.unseen != "":
		return t, errors.New(a.unseen)
	case seeds != (tokens.AccountConfig{}):
		t.Access = seeds.AccessToken
	case !a.record.Issuer.MatchesAPI(here):
		return t, errors.New("its tokens belong to " + a.record.Issuer.API + ", and are sent nowhere else")
	case !a.expired(now):
		t.Access = a.record.AccessToken
	}
	if t.Access.IsZero() {
		return t, errors.New("there is no token to send")
	}
	return t, nil
}

// ask sends a GET with a token to the API, and reads the JSON of an answer with status 200 into out.
func ask(ctx context.Context, u config.Upstream, t tokens.Token, path string, out any) (status int, err error) {
	transport := u.Transport(checkTimeout / 2)
	defer transport.CloseIdleConnections()
	answer, err := u.Get(ctx, transport, t, path)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, nil
	}
	return answer.StatusCode, json.NewDecoder(io.LimitReader(answer.Body, maxMember)).Decode(out)
}

// sandboxKeys reports which accounts have a sandbox key, by the prefix that PandaDoc adds to the names of
// documents.
func (x *examination) sandboxKeys(ctx context.Context) (found []Finding) {
	keys := 0
	for i, a := range x.accounts(ctx) {
		if a.config.APIKey.IsZero() {
			continue
		}
		if keys++; i >= manyAccounts {
			continue
		}
		if t, err := x.token(a, time.Now()); err == nil && x.isSandboxKey(ctx, t) {
			found = append(found, warning("account "+a.name+": a sandbox key: 10 requests a minute in all, documents are marked [DEV], protected downloads always answer 401",
				"for real work, use a production key, or sign in with an application"))
		}
	}
	switch {
	case keys == 0:
		return []Finding{fine("no API key is in use")}
	case len(found) == 0:
		return []Finding{fine("no API key is a sandbox key, as far as its documents show")}
	}
	return found
}

func (x *examination) isSandboxKey(ctx context.Context, t tokens.Token) bool {
	var list struct {
		Results []struct {
			Name string `json:"name"`
		} `json:"results"`
	}
	status, err := ask(ctx, x.Config.Upstream, t, "/public/v1/documents?count=1", &list)
	return err == nil && status == http.StatusOK && len(list.Results) > 0 && strings.HasPrefix(list.Results[0].Name, "[DEV]")
}
