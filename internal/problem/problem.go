// Package problem is the one table of what the program tells people: for each code its HTTP status,
// a title, what happened and what to do next. The proxy's answers, the admin listener, the commands,
// the console and the docs all take their words from here, so that one fact has one text.
//
//	p := problem.Of(problem.LoginRequired, "account", "acme", "login", problem.LoginCommand("acme"))
//	p.Write(w)
//
// Texts may name values in braces, as in "run: {login}". Of fills them in.
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

// Program is what the program calls itself in Proxy-Status (RFC 9209) and in the commands of hints.
const Program = "pandadoc-auth-proxy"

// Code names one kind of problem. Codes are part of the contract with clients.
type Code string

// Problem is what people are told about one code (RFC 9457), or about one case of it. The answer that
// Write makes is a superset of the error shape of PandaDoc's version 1, so that clients which read "detail"
// can show it.
type Problem struct {
	Code Code
	// Case tells rows of one code apart. The general row has none.
	Case string
	// Error is the error type of RFC 9209 section 2.3 that an answer of the proxied port carries.
	Error string
	// Status is the HTTP status of an answer. Zero means that the row describes an account and is never
	// an answer by itself.
	Status int
	Title  string
	// Detail says what happened, in one or two sentences.
	Detail string
	// Hint is the next command or setting to try, ready to paste. Empty if there is nothing to do.
	Hint string
	// RetryAfter is sent with an answer if it is more than zero, rounded up to whole seconds.
	RetryAfter time.Duration
}

// Of returns the general row of code, with {name} in its texts replaced by values: pairs of a name and its
// value. A code that is not in the table is a mistake of ours, and panics.
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

// LoginCommand returns the command that signs account in, with more arguments that the person had typed,
// such as --paste.
func LoginCommand(account string, more ...string) string {
	words := []string{Program, "login"}
	if account != "" && account != "default" {
		words = append(words, "--account", account)
	}
	return strings.Join(append(words, more...), " ")
}

// Write answers with p. Headers that belong to one code only (Allow, WWW-Authenticate) are set by the
// caller before. The caller must not have begun an answer.
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
	w.Write(body) // a client that has gone is noticed by the server
}
