package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"pandadoc-auth-proxy/tokens"
)

// problem is the body of an error (RFC 9457), with the members that the proxied port uses as well.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Hint   string `json:"hint,omitempty"`
}

func writeProblem(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	writeBody(w, p.Status, "application/problem+json", p)
}

func problemHandler(p problem) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeProblem(w, p) })
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	writeBody(w, status, "application/json", body)
}

func writeBody(w http.ResponseWriter, status int, contentType string, body any) {
	data, err := json.MarshalIndent(body, "", "  ")
	if err != nil { // a program error: our types always marshal
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(append(data, '\n'))
}

// writeError turns what the Manager says into an answer, with the statuses of the proxied port.
func writeError(w http.ResponseWriter, account string, err error) {
	p := problemOf(account, err)
	var u *tokens.UnavailableError
	if errors.As(err, &u) && u.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(u.RetryAfter.Seconds()))))
	}
	writeProblem(w, p)
}

func problemOf(account string, err error) problem {
	p := problem{Status: http.StatusInternalServerError, Code: "internal", Detail: err.Error()}
	switch {
	case errors.Is(err, tokens.ErrUnknownAccount):
		p.Status, p.Code, p.Detail = http.StatusNotFound, "unknown-account", fmt.Sprintf("There is no account %q.", account)
		p.Hint = "\"" + program + " status\" lists the accounts. To sign in a new one, run: " + LoginCommand(account)
	case errors.Is(err, tokens.ErrLoginRequired):
		p.Status, p.Code = http.StatusBadGateway, "login-required"
		p.Hint = hintLogin(account)
	case errors.Is(err, tokens.ErrClientRefused):
		p.Status, p.Code = http.StatusBadGateway, "client-refused"
		p.Hint = hintClient
	case errors.Is(err, tokens.ErrRefreshUnavailable):
		p.Status, p.Code = http.StatusServiceUnavailable, "refresh-unavailable"
		p.Hint = hintWait
	case errors.Is(err, tokens.ErrStoreUnavailable):
		p.Status, p.Code = http.StatusServiceUnavailable, "store-unavailable"
		p.Hint = hintStore
	case errors.Is(err, tokens.ErrAPIKey):
		p.Status, p.Code = http.StatusConflict, "api-key"
		p.Hint = hintAPIKey
	}
	return p
}
