package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"pandadoc-auth-proxy/internal/problem"
)

// Person is the answer of /api/v1/accounts/{account}/person: who is signed in. Empty fields were not in the
// API's answer.
type Person struct {
	Name      string `json:"name,omitempty"`
	Email     string `json:"email,omitempty"`
	Workspace string `json:"workspace,omitempty"`
}

// personTimeout is short, because somebody is looking at a table, and test calls wait for the same places.
const personTimeout = 10 * time.Second

// people remembers who is signed in, so that the API is asked once after a sign-in.
type people struct {
	mu      sync.Mutex // guards the fields below
	known   map[string]Person
	version int // of the sign-ins, changed by forget
}

func (p *people) forget(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, account)
	p.version++
}

// get returns who is signed in, if that is known, and the version for set.
func (p *people) get(account string) (known Person, ok bool, version int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok = p.known[account]
	return known, ok, p.version
}

// set remembers person, unless somebody signed in after get returned version: person may be the user before.
func (p *people) set(account string, person Person, version int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if version != p.version {
		return
	}
	if p.known == nil || len(p.known) >= maxAccountLabels {
		p.known = map[string]Person{} // they are asked for again when somebody looks
	}
	p.known[account] = person
}

// person asks the API who the account is, by a request of the proxy's own.
func (h *Handler) person(w http.ResponseWriter, r *http.Request) {
	account := mux.Vars(r)["account"]
	if _, err := h.config.Manager.AccountStatus(r.Context(), account); err != nil {
		problemOf(account, err).Write(w)
		return
	}
	known, ok, version := h.people.get(account)
	if ok {
		writeJSON(w, http.StatusOK, known)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), personTimeout)
	defer cancel()
	unknown := problem.Of(problem.PersonUnknown, about(account)...)
	if !h.enterTest(ctx) {
		unknown.Write(w)
		return
	}
	defer h.leaveTest()
	req, err := TestCall{Account: account, Method: http.MethodGet, Target: "/public/v1/members/current"}.request(ctx)
	if err != nil {
		invalid(err).Write(w)
		return
	}
	answer, ok := h.runTest(req)
	if !ok || answer.Status != http.StatusOK {
		unknown.Write(w)
		return
	}
	found := readPerson([]byte(answer.Body))
	h.people.set(account, found, version)
	writeJSON(w, http.StatusOK, found)
}

func readPerson(body []byte) Person {
	var member struct {
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Email     string `json:"email"`
		Workspace string `json:"workspace_name"`
	}
	_ = json.Unmarshal(body, &member) // what cannot be read is left empty
	return Person{
		Name:      bounded(strings.TrimSpace(member.FirstName+" "+member.LastName), 100),
		Email:     bounded(member.Email, 100),
		Workspace: bounded(member.Workspace, 100),
	}
}
