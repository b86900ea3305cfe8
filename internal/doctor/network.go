package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
)

// How far this machine's clock may be from PandaDoc's. A Date header counts whole seconds, and an
// answer takes a moment.
const (
	skewNoticed = 30 * time.Second
	skewTooMuch = 5 * time.Minute
)

// reached is the result of a request to the origin of one of PandaDoc's URLs.
type reached struct {
	*url.URL
	via    *url.URL // the forward proxy; nil for none
	viaErr error

	status int // of a HEAD request without credentials; zero without an answer
	date   time.Time
	skew   time.Duration // of our clock, positive if it is ahead
	tls    *tls.ConnectionState
	err    error // why there is no answer
}

// reach asks each origin of the API and the token endpoint once, with no credential. The consent page
// is for browsers only.
func (x *examination) reach(ctx context.Context) []*reached {
	if x.reached != nil {
		return x.reached
	}
	x.reached = []*reached{}
	asked := map[string]bool{}
	for _, e := range x.endpoints() {
		if e.needs != "API" || asked[e.Scheme+e.Host] {
			continue
		}
		asked[e.Scheme+e.Host] = true
		r := &reached{URL: e.URL}
		r.err = r.ask(ctx, x.Config.Upstream.Transport(checkTimeout/2))
		x.reached = append(x.reached, r)
	}
	return x.reached
}

// ask sends a request, and keeps what the answer shows.
func (r *reached) ask(ctx context.Context, t *http.Transport) error {
	defer t.CloseIdleConnections()
	ask, err := http.NewRequestWithContext(ctx, http.MethodHead, r.Scheme+"://"+r.Host+"/", nil)
	if err != nil {
		return err
	}
	ask.Header.Set("User-Agent", problem.Program)
	if r.via, r.viaErr = t.Proxy(ask); r.viaErr != nil {
		return r.viaErr
	}
	answer, err := t.RoundTrip(ask)
	if err != nil {
		return err
	}
	answer.Body.Close()
	r.status, r.tls = answer.StatusCode, answer.TLS
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		r.date, r.skew = date, time.Now().Round(0).Sub(date)
	}
	return nil
}

// eachHost makes a finding about each host that was asked.
func (x *examination) eachHost(ctx context.Context, find func(*reached) Finding) (found []Finding) {
	for _, r := range x.reach(ctx) {
		found = append(found, find(r))
	}
	if len(found) == 0 {
		return []Finding{skipped("no URL could be read: see configuration")}
	}
	return found
}

// forwardProxy checks HTTPS_PROXY and NO_PROXY.
func (x *examination) forwardProxy(ctx context.Context) (found []Finding) {
	for _, r := range x.reach(ctx) {
		switch {
		case r.viaErr != nil || r.via != nil && !config.UsableProxy(r.via):
			found = append(found, failing("HTTPS_PROXY is not a valid address of a forward proxy", "write HTTPS_PROXY like http://proxy.example.com:3128"))
		case r.via != nil:
			found = append(found, tryForwardProxy(ctx, r))
		}
	}
	if len(found) == 0 {
		return []Finding{fine("none: PandaDoc is reached directly")}
	}
	return found
}

// tryForwardProxy names the proxy by its host: its URL may hold a password.
func tryForwardProxy(ctx context.Context, r *reached) Finding {
	address := net.JoinHostPort(r.via.Hostname(), listen.PortOf(r.via))
	conn, err := (&net.Dialer{Timeout: checkTimeout / 4}).DialContext(ctx, "tcp", address)
	if err != nil {
		return failing(fmt.Sprintf("%s is reached through %s (HTTPS_PROXY), which does not answer: %v", r.Host, address, listen.WithoutAddress(err)),
			"correct HTTPS_PROXY, or add "+r.Hostname()+" to NO_PROXY")
	}
	conn.Close()
	return fine(fmt.Sprintf("%s is reached through %s (HTTPS_PROXY)", r.Host, address))
}

// names reports whether hosts are known.
func (x *examination) names(ctx context.Context) []Finding {
	return x.eachHost(ctx, func(r *reached) Finding { return x.lookUp(ctx, r) })
}

func (x *examination) lookUp(ctx context.Context, r *reached) Finding {
	host, port := r.Hostname(), listen.PortOf(r.URL)
	to := x.Config.Upstream.ConnectTo[net.JoinHostPort(host, port)]
	switch {
	case r.via != nil:
		return skipped(host + " is looked up by the forward proxy")
	case to != "":
		return fine(fmt.Sprintf("%s is reached at %s (--api-address)", host, to))
	case net.ParseIP(host) != nil:
		return fine(host + " is an address")
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err == nil && slices.ContainsFunc(addresses, func(a string) bool { return x.isOurs(a, port) }) {
		loop := problem.Of(problem.LoopDetected)
		return failing(fmt.Sprintf("%s is %s. %s", host, strings.Join(addresses, ", "), loop.Detail), loop.Hint)
	}
	if err == nil {
		return fine(fmt.Sprintf("%s is %s", host, strings.Join(addresses, ", ")))
	}
	fix := "check the resolver of this machine (/etc/resolv.conf) and its network"
	if e := (*net.DNSError)(nil); errors.As(err, &e) && e.IsNotFound {
		fix = "correct --api-url or --token-url, or remove them and set --region; or check the resolver of this machine"
	}
	return failing(fmt.Sprintf("%s cannot be found: %v", host, err), fix)
}

// isOurs reports whether a proxy with these settings would listen there.
func (x *examination) isOurs(address, port string) bool {
	return slices.ContainsFunc(x.Config.Addresses(), func(a listen.Address) bool { return a.Port != 0 && a.Reaches(address, port) })
}

// connections reports whether each host answers.
func (x *examination) connections(ctx context.Context) []Finding {
	return x.eachHost(ctx, connection)
}

// connection reports whether one host answers. Some errors are explained better by another check.
func connection(r *reached) Finding {
	call, name := (*net.OpError)(nil), (*net.DNSError)(nil)
	isCall := errors.As(r.err, &call)
	switch {
	case r.err == nil:
		return fine(fmt.Sprintf("%s answers (HTTP %d)", r.Host, r.status))
	case certificateError(r.err):
		return fine(r.Host + " answers, but see tls")
	case r.viaErr != nil || isCall && call.Op == "proxyconnect":
		return skipped(r.Host + " is reached through the forward proxy, which does not work: see forward proxy")
	case errors.As(r.err, &name):
		return skipped(r.Host + " cannot be found: see dns")
	case isCall && call.Op == "dial":
		return failing(fmt.Sprintf("%s cannot be reached: %v", r.Host, listen.WithoutAddress(r.err)),
			"check the network, the firewall, HTTPS_PROXY, and that --api-url and --token-url are right")
	}
	return failing(fmt.Sprintf("%s gives no answer over %s: %v", r.Host, r.Scheme, r.err),
		"check that the URL's scheme (http or https) and port are right, and look for a firewall or proxy in between")
}

// certificates reports where each TLS connection ends.
func (x *examination) certificates(ctx context.Context) []Finding {
	return x.eachHost(ctx, certificate)
}

func certificate(r *reached) Finding {
	switch {
	case r.Scheme == "http" && listen.IsLoopbackHost(r.Hostname()):
		return fine(r.Host + " is on this machine, without TLS")
	case r.Scheme == "http":
		return warning(r.Host+" is reached without TLS: everybody on the network path can read the tokens", "use https, and remove --allow-insecure-upstream")
	case certificateError(r.err):
		return failing(fmt.Sprintf("the certificate of %s is not accepted: %v", r.Host, rootCause(r.err)), certificateFix(r.err))
	case r.tls == nil || len(r.tls.PeerCertificates) == 0:
		return skipped("there is no connection to " + r.Host)
	}
	leaf := r.tls.PeerCertificates[0]
	return fine(fmt.Sprintf("%s: %s, certificate by %s until %s", r.Host, tls.VersionName(r.tls.Version),
		leaf.Issuer.CommonName, leaf.NotAfter.Format(time.DateOnly)))
}

func certificateError(err error) bool {
	e := (*tls.CertificateVerificationError)(nil)
	return errors.As(err, &e)
}

// rootCause returns the innermost error.
func rootCause(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

func certificateFix(err error) string {
	name, invalid := (x509.HostnameError{}), (x509.CertificateInvalidError{})
	switch {
	case errors.As(err, &name):
		return "correct the host in --api-url or --token-url; another server answers there"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "check this machine's clock; if it is right, the server's certificate is too old"
	}
	return "if a proxy of your company is in between, give its certificate authority with --ca-file; otherwise do not trust this network"
}

// clock compares our clock with PandaDoc's, because the expiry of tokens and certificates depends on it.
func (x *examination) clock(ctx context.Context) []Finding {
	for _, r := range x.reach(ctx) {
		if r.date.IsZero() {
			continue
		}
		direction := "ahead of"
		if r.skew < 0 {
			direction = "behind"
		}
		seen := fmt.Sprintf("this machine's clock is %s %s that of %s", problem.Span(r.skew.Abs()), direction, r.Host)
		const fix = "set the clock (timedatectl set-ntp true); in a container, that of the host"
		switch {
		case r.skew.Abs() > skewTooMuch:
			return []Finding{failing(seen, fix)}
		case r.skew.Abs() > skewNoticed:
			return []Finding{warning(seen, fix)}
		}
		return []Finding{fine("agrees with " + r.Host + " within " + skewNoticed.String())}
	}
	return []Finding{skipped("no server sent a Date header")}
}
