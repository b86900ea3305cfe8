package proxy

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// report tells what happened to c: one line in the log, and Config.Observe.
func (p *Proxy) report(c *call) {
	if c.clientLeft {
		c.Status = statusClientGone
	}
	c.Duration = time.Since(c.Start)
	c.Route = routeOf(c.path)
	p.logAccess(&c.Exchange)
	if p.cfg.Observe != nil {
		p.cfg.Observe(c.Exchange)
	}
}

// logAccess writes the access line. Requests that were refused before they had an account are limited:
// they cost their sender nothing, and must not fill the disk.
func (p *Proxy) logAccess(x *Exchange) {
	if !p.log.IsLevelEnabled(logrus.InfoLevel) {
		return
	}
	skipped := 0
	if x.Code != "" && x.Attempts == 0 {
		ok := false
		if ok, skipped = p.refusals.next(x.Start); !ok {
			return
		}
	}
	entry := &logrus.Entry{Logger: p.log, Data: accessFields(x, skipped)}
	entry.Info("request")
}

// accessFields leaves out what there is nothing to say of. Up to eight fields fit into the smallest map;
// an ordinary request has seven, and logrus copies the map.
func accessFields(x *Exchange, skipped int) logrus.Fields {
	f := make(logrus.Fields, 8)
	f["method"], f["route"], f["status"] = x.Method, x.Route, x.Status
	f["dur_ms"], f["request_id"] = milliseconds(x.Duration), x.RequestID
	optional(f, "account", x.Account)
	optional(f, "client", x.Client)
	optional(f, "attempts", x.Attempts)
	optional(f, "code", x.Code)
	optional(f, "replay", x.Replay)
	optional(f, "reason", x.Reason)
	optional(f, "spooled_on", x.SpooledOn)
	optional(f, "cut", x.Cut)
	optional(f, "not_logged_before", skipped)
	return f
}

func optional[T comparable](f logrus.Fields, name string, value T) {
	var none T
	if value != none {
		f[name] = value
	}
}

// milliseconds has a precision that is worth reading.
func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

func (p *Proxy) warnNoCopy(err error) {
	p.log.WithError(err).Warn("no temporary file for request bodies: large requests are forwarded, but cannot be repeated after a 401; see --temp-dir")
}

// lineLimit lets through a burst of lines and then a few a second.
type lineLimit struct {
	mu      sync.Mutex // guards the fields below
	tokens  float64
	last    time.Time
	skipped int
}

const (
	refusalBurst     = 50
	refusalPerSecond = 5
)

func newLineLimit() lineLimit { return lineLimit{tokens: refusalBurst} }

// next says whether the line of now may be written and, if so, how many before it were not.
func (l *lineLimit) next(now time.Time) (ok bool, skipped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() {
		l.tokens = min(refusalBurst, l.tokens+refusalPerSecond*now.Sub(l.last).Seconds())
	}
	l.last = now
	if l.tokens < 1 {
		l.skipped++
		return false, 0
	}
	l.tokens--
	skipped, l.skipped = l.skipped, 0
	return true, skipped
}
