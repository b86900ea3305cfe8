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
	// FaultRefuse answers 401 and ends the access token of the request for good.
	FaultRefuse = "refuse"
	// FaultDelay waits before the request is looked at, which then takes its normal course.
	FaultDelay = "delay"
	// FaultDrop closes the connection without an answer; nothing was done.
	FaultDrop = "drop"
	// FaultDropAfterCommit does what was asked, a rotation for example, and closes the connection
	// without an answer.
	FaultDropAfterCommit = "drop_after_commit"
	// FaultStatusAfterCommit does what was asked and answers Status with Body all the same.
	FaultStatusAfterCommit = "status_after_commit"
	// FaultCut closes the connection in the middle of the answer's body.
	FaultCut = "cut"
	// FaultNoRefreshToken makes a refresh give a new access token only; the refresh token stays good.
	FaultNoRefreshToken = "no_refresh_token"
	// FaultKeepOld makes a refresh leave the old pair good.
	FaultKeepOld = "keep_old"
	// FaultExpiresIn puts ExpiresIn into the answer of the token endpoint as it is.
	FaultExpiresIn = "expires_in"
)

// Fault is a misbehaviour set by hand. The first fault whose route fits a request is used for it.
type Fault struct {
	// Route is what the fault is for: "token", "authorize", "api" (all but these two), "*", or
	// "/path" or "METHOD /path", where a * at the end stands for the rest.
	Route string `json:"route"`
	Kind  string `json:"kind"`
	// Count is how many requests meet the fault. Zero means one, a negative number all.
	Count int `json:"count,omitempty"`
	// Probability is the share of fitting requests that meet it. Zero means all.
	Probability float64 `json:"probability,omitempty"`

	// Status, Body, Header and RetryAfter make the answer. A body that starts with < is sent as HTML,
	// any other as JSON, unless Header says otherwise.
	Status     int               `json:"status,omitempty"`
	Body       string            `json:"body,omitempty"`
	Header     map[string]string `json:"header,omitempty"`
	RetryAfter string            `json:"retry_after,omitempty"`
	// ReadBytes is how much of the request's body is read before a status or refuse answer. Nil reads
	// the whole body; zero answers before any of it is read, without "100 Continue".
	ReadBytes *int64 `json:"read_bytes,omitempty"`
	// Delay is how long to wait before anything else. It goes with every kind.
	Delay time.Duration `json:"-"`
	// ExpiresIn is raw JSON: 3600, "3600", 1e12, -1, null …
	ExpiresIn json.RawMessage `json:"expires_in,omitempty"`
}

// faultJSON is the outer form, where a delay is written "250ms".
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

// Validate reports every mistake at once.
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

// fits reports whether f is for this request.
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

// The methods below are asked on requests without a fault too.

func (f *Fault) is(kind string) bool { return f != nil && f.Kind == kind }

func (f *Fault) omitsRefreshToken() bool { return f.is(FaultNoRefreshToken) }
func (f *Fault) keepsOld() bool          { return f.is(FaultKeepOld) }

func (f *Fault) expiresIn() json.RawMessage {
	if !f.is(FaultExpiresIn) {
		return nil
	}
	return f.ExpiresIn
}
