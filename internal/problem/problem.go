// Package problem is the table of the problems that users can have: for each code its HTTP status, a title,
// what happened and what to do next. The proxy's answers, the admin listener, the commands, the console and the
// docs take these texts from here, so that each problem has only one text. An error about a setting or a file has
// no code; Mistake and WithHint give it its fix.
//
//	p := problem.Of(problem.LoginRequired, "account", "acme", "login", problem.LoginCommand("acme"))
//	p.Write(w)
//
// Texts can contain placeholders in braces, as in "run: {login}". The function Of fills them in.
package problem

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Program is the name of the program in Proxy-Status (RFC 9209) and in the commands of hints.
const Program = "pandadoc-auth-proxy"

// Code names one kind of problem. Codes are part of the contract with clients.
type Code string

// Problem is the message for one code (RFC 9457), or for one case of it. The answer that Write sends is a
// superset of the errors of PandaDoc's API version 1, so that clients which read "detail" can show it.
type Problem struct {
	Code Code
	// Case distinguishes rows of one code. It is empty in the general row.
	Case string
	// Error is the error type of RFC 9209 section 2.3 that an answer of the proxied port carries.
	Error string
	// Status is the HTTP status of an answer. Zero means that the row describes an account and is never
	// an answer by itself.
	Status int
	Title  string
	// Detail says what happened, in one or two sentences.
	Detail string
	// Hint is the next command or setting to try, ready to paste. It is empty if there is nothing to do.
	Hint string
	// RetryAfter is sent with an answer if it is more than zero, rounded up to whole seconds.
	RetryAfter time.Duration
}

// Of returns the general row of code, with each {name} in its texts replaced. The values are pairs of a name
// and its value. Of panics if the code is not in the table, because that is a programming error.
func Of(code Code, values ...string) Problem { return OfCase(code, "", values...) }

// OfCase returns the row of code with that case, or the general one if there is none.
func OfCase(code Code, name string, values ...string) Problem {
	at := slices.IndexFunc(table, func(p Problem) bool { return p.Code == code && p.Case == name })
	if at < 0 {
		at = slices.IndexFunc(table, func(p Problem) bool { return p.Code == code })
	}
	if at < 0 {
		panic(fmt.Sprintf("problem: no row for code %q", code))
	}
	return table[at].fill(values)
}

// Known reports whether the table has a row for code.
func Known(code Code) bool {
	return slices.ContainsFunc(table, func(p Problem) bool { return p.Code == code })
}

// All returns the table, in the order of its sections.
func All() []Problem { return slices.Clone(table) }

func (p Problem) fill(values []string) Problem {
	pairs := make([]string, len(values))
	for i, v := range values {
		if i%2 == 0 {
			v = "{" + v + "}"
		}
		pairs[i] = v
	}
	r := strings.NewReplacer(pairs...)
	p.Detail, p.Hint = r.Replace(p.Detail), r.Replace(p.Hint)
	return p
}

// LoginCommand returns the command that signs in to account.
func LoginCommand(account string) string { return AccountCommand("login", account) }

// AccountCommand returns a command about the account.
func AccountCommand(command, account string) string {
	text := Program + " " + command
	if account != "" && account != "default" {
		text += " --account " + account
	}
	return text
}

// Write sends p as the answer. The caller must not have started an answer. If a code needs another header (Allow,
// WWW-Authenticate), the caller must set it first.
func (p Problem) Write(w http.ResponseWriter) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   Code   `json:"code"`
		Hint   string `json:"hint,omitempty"`
	}{"urn:" + Program + ":" + string(p.Code), p.Title, p.Status, p.Detail, p.Code, p.Hint})
	if err != nil { // strings and an int always marshal
		panic(err)
	}
	body = append(body, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.Error != "" {
		h.Add("Proxy-Status", Program+"; error="+p.Error+`; details="`+string(p.Code)+`"`)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	w.WriteHeader(p.Status)
	w.Write(body) // no need to check: the server notices when the client has gone
}
