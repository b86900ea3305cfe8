package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The kinds of faults.
const (
	// FaultStatus answers Status with Body (or PandaDoc's own body for that status) and changes nothing.
	FaultStatus = "status"
	// FaultRefuse answers 401 and revokes the access token of the request.
	FaultRefuse = "refuse"
	// FaultDelay waits before it handles the request normally.
	FaultDelay = "delay"
	// FaultDrop closes the connection without an answer. The request has no effect.
	FaultDrop = "drop"
	// FaultDropAfterCommit carries out the request, for example a rotation, and closes the connection without an
	// answer.
	FaultDropAfterCommit = "drop_after_commit"
	// FaultStatusAfterCommit carries out the request, but answers Status with Body.
	FaultStatusAfterCommit = "status_after_commit"
	// FaultCut closes the connection in the middle of the answer's body.
	FaultCut = "cut"
	// FaultNoRefreshToken makes a refresh return only an access token. The refresh token stays valid.
	FaultNoRefreshToken = "no_refresh_token"
	// FaultKeepOld keeps the old pair valid after a refresh.
	FaultKeepOld = "keep_old"
	// FaultExpiresIn sends ExpiresIn unchanged in the answer of the token endpoint.
	FaultExpiresIn = "expires_in"
)

// Fault is a misbehaviour that somebody has set. A request gets the first fault whose route matches it.
type Fault struct {
	// Route selects requests: "token", "authorize", "api" (all except these two), "*", "/path" or "METHOD /path".
	// A * at the end matches anything.
	Route string `json:"route"`
	Kind  string `json:"kind"`
	// Count is how many requests get the fault. Zero means one; a negative number means all.
	Count int `json:"count,omitempty"`
	// Probability is the fraction of matching requests that get it. Zero means all.
	Probability float64 `json:"probability,omitempty"`

	// Status, Body, Header and RetryAfter are the answer. A body that starts with < is sent as HTML, any other as
	// JSON, unless Header has a Content-Type.
	Status     int               `json:"status,omitempty"`
	Body       string            `json:"body,omitempty"`
	Header     map[string]string `json:"header,omitempty"`
	RetryAfter string            `json:"retry_after,omitempty"`
	// ReadBytes is how much of the request's body is read before a status or refuse answer. Nil means the whole
	// body. Zero means none of it, and no "100 Continue".
	ReadBytes *int64 `json:"read_bytes,omitempty"`
	// Delay is how long to wait before anything else. Every kind can have it.
	Delay time.Duration `json:"-"`
	// ExpiresIn is raw JSON: 3600, "3600", 1e12, -1, null …
	ExpiresIn json.RawMessage `json:"expires_in,omitempty"`
}

// faultJSON is the form of a Fault in JSON, where a delay is written like "250ms".
type faultJSON struct {
	plainFault
	Delay string `json:"delay,omitempty"`
}

type plainFault Fault

// MarshalJSON writes the delay as Go writes durations.
func (f Fault) MarshalJSON() ([]byte, error) {
	out := faultJSON{plainFault: plainFault(f)}
	if f.Delay != 0 {
		out.Delay = f.Delay.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var in faultJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*f = Fault(in.plainFault)
	if in.Delay == "" {
		return nil
	}
	var err error
	f.Delay, err = time.ParseDuration(in.Delay)
	return err
}

// Validate returns all mistakes together.
func (f Fault) Validate() error {
	var errs []error
	if !validRoute(f.Route) {
		errs = append(errs, fmt.Errorf("route %q: use token, authorize, api, *, /path or METHOD /path", f.Route))
	}
	switch f.Kind {
	case FaultStatus, FaultStatusAfterCommit:
		if f.Status < 200 || f.Status > 599 {
			errs = append(errs, fmt.Errorf("status %d: use 200 to 599", f.Status))
		}
	case FaultDelay:
		if f.Delay <= 0 {
			errs = append(errs, errors.New(`a delay fault needs "delay", such as "250ms"`))
		}
	case FaultExpiresIn:
		if f.ExpiresIn == nil {
			errs = append(errs, errors.New(`an expires_in fault needs "expires_in"`))
		}
	case FaultRefuse, FaultDrop, FaultDropAfterCommit, FaultCut, FaultNoRefreshToken, FaultKeepOld:
	default:
		errs = append(errs, fmt.Errorf("unknown kind %q", f.Kind))
	}
	if f.Delay < 0 || f.Delay > time.Hour || f.Probability < 0 || f.Probability > 1 {
		errs = append(errs, errors.New("delay must be 0 to 1h, probability 0 to 1"))
	}
	if f.ReadBytes != nil && *f.ReadBytes < 0 {
		errs = append(errs, errors.New("read_bytes must not be negative"))
	}
	return errors.Join(errs...)
}

func validRoute(route string) bool {
	switch route {
	case "token", "authorize", "api", "*":
		return true
	}
	if method, path, ok := strings.Cut(route, " "); ok {
		return method != "" && strings.HasPrefix(path, "/")
	}
	return strings.HasPrefix(route, "/")
}

// fits reports whether f applies to this request.
func (f *Fault) fits(o *operation, r *http.Request) bool {
	switch f.Route {
	case "*":
		return true
	case "token":
		return o.Number == tokenOperation
	case "authorize":
		return o.consent
	case "api":
		return o.Number != tokenOperation && !o.consent
	}
	method, path, ok := strings.Cut(f.Route, " ")
	if !ok {
		method, path = r.Method, f.Route
	}
	if prefix, open := strings.CutSuffix(path, "*"); open {
		return method == r.Method && strings.HasPrefix(r.URL.Path, prefix)
	}
	return method == r.Method && path == r.URL.Path
}

// is reports whether the fault is of a kind. f is nil for requests without a fault.
func (f *Fault) is(kind string) bool { return f != nil && f.Kind == kind }
