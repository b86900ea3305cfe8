package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// bodyProblem says how the client broke its own body, or nil. It comes before the question what the
// transport made of that: the API is not to blame for it.
func (c *call) bodyProblem() *Problem {
	if c.spool == nil {
		return nil
	}
	err := c.spool.clientError(c.req.Context().Err() != nil)
	var broken net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBodyStalled):
		return requestTimeout.problem("The request's body stopped coming.", "")
	case errors.As(err, &broken):
		return nil // the connection went, not the body's form
	case errors.Is(err, io.ErrUnexpectedEOF):
		c.clientLeft = true // nearly always; if it only closed its side, it still gets the answer
	}
	return badRequest.problem("The request's body is malformed or incomplete.", "")
}

// problemOf turns an error on the way to the API into an answer. Errors themselves are not shown:
// they name addresses.
func (c *call) problemOf(err error) *Problem {
	if problem := c.tokenProblem(err); problem != nil {
		return problem
	}
	return upstreamProblem(err)
}

// tokenProblem explains why there is no token.
func (c *call) tokenProblem(err error) *Problem {
	switch {
	case errors.Is(err, tokens.ErrUnknownAccount):
		return noSuchAccount()
	case errors.Is(err, tokens.ErrLoginRequired):
		return loginRequired.problem("Nobody is signed in for account "+c.Account+", or the login has ended.",
			c.proxy.loginHint(c.Account))
	case errors.Is(err, tokens.ErrClientRefused):
		return clientRefused.problem("PandaDoc does not accept the client id or secret.",
			"check PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET, and the region")
	case errors.Is(err, tokens.ErrRefreshUnavailable):
		return refreshUnavailable.problem("There is no usable token, and PandaDoc does not renew it just now.",
			"try again later").after(err)
	case errors.Is(err, tokens.ErrStoreUnavailable):
		return storeUnavailable.problem("There is no usable token in memory, and the token store cannot be used.",
			"see the proxy's log for the store's error").after(err)
	}
	return nil
}

func (p *Proxy) loginHint(account string) string {
	if p.cfg.LoginHint != nil {
		return p.cfg.LoginHint(account)
	}
	return "sign in again"
}

func noSuchAccount() *Problem {
	return unknownAccount.problem("There is no such account.", "configure the account or sign in to it first")
}

// defaultRetryAfter is for errors that do not say when to come back.
const defaultRetryAfter = 5 * time.Second

// after sets RetryAfter from what the token source says.
func (p *Problem) after(err error) *Problem {
	p.RetryAfter = defaultRetryAfter
	var unavailable *tokens.UnavailableError
	if errors.As(err, &unavailable) && unavailable.RetryAfter > 0 {
		p.RetryAfter = unavailable.RetryAfter
	}
	return p
}

// upstreamProblem classifies what http.Transport says.
func upstreamProblem(err error) *Problem {
	if problem := dialProblem(err); problem != nil {
		return problem
	}
	if problem := tlsProblem(err); problem != nil {
		return problem
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return upstreamTimeout.problem("The API did not answer in time.", "")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return upstreamUnreachable.problem("The API closed the connection without an answer.",
			"see whether the request took effect before you send it again").because("connection_terminated")
	}
	return upstreamProtocol.problem("The API's answer is not valid HTTP.", "")
}

func dialProblem(err error) *Problem {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns) && dns.IsTimeout:
		return upstreamTimeout.problem("The API's name could not be looked up in time.", "").because("dns_timeout")
	case errors.As(err, &dns):
		return upstreamUnreachable.problem("The API's name cannot be looked up.",
			"check --api-url and the name servers").because("dns_error")
	case !errors.As(err, &op) || op.Op != "dial" && op.Op != "proxyconnect":
		return nil
	case op.Timeout():
		return upstreamTimeout.problem("The API could not be reached in time.",
			"check --api-url and the network").because("connection_timeout")
	case errors.Is(err, syscall.ECONNREFUSED):
		return upstreamUnreachable.problem("The API refused the connection.",
			"check --api-url").because("connection_refused")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return upstreamUnreachable.problem("There is no way to the API.",
			"check the network").because("destination_ip_unroutable")
	}
	return upstreamUnreachable.problem("The API cannot be reached.", "check --api-url and the network")
}

func tlsProblem(err error) *Problem {
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid):
		return upstreamUnreachable.problem("The API's certificate cannot be trusted.",
			"check --api-url, or name the roots with --ca-file").because("tls_certificate_error")
	case errors.As(err, &record):
		return upstreamUnreachable.problem("The API does not speak TLS.", "check --api-url").because("tls_protocol_error")
	case errors.As(err, &alert):
		return upstreamUnreachable.problem("The API broke off the TLS handshake.", "").because("tls_alert_received")
	}
	return nil
}
