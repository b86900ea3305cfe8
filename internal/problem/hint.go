package problem

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// hinted is an error with the next thing to try. Any error with a method Hint() string is one.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
func (e hinted) Hint() string  { return e.hint }

// Mistake returns an error that says what is wrong and how to put it right. Both are in lower case and
// without a full stop.
func Mistake(what, fix string) error { return hinted{errors.New(what), fix} }

// WithHint adds the next thing to try to err.
func WithHint(err error, hint string) error { return hinted{err, hint} }

// HintOf returns the next thing to try that err carries, or "".
func HintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// TLSHint returns the next thing to try if err is a failure of TLS with a server that a setting names, or "".
func TLSHint(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var network *net.OpError
	switch {
	case errors.As(err, &name):
		return "name the server by a name that its certificate holds, or have one made that holds this name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate of the server, or set the clock of this machine"
	case errors.As(err, &verify):
		return "name the root certificate of the server with --ca-file"
	case errors.As(err, &record):
		return "the server does not speak TLS there: check scheme and port"
	case errors.As(err, &network) && network.Op == "remote error":
		return "the server refused this client's TLS: let it ask clients for no certificate (Redis: tls-auth-clients no)"
	}
	return ""
}

// Each takes apart what errors.Join put together, so that every error can be shown with its own hint. It
// returns nothing for nil.
func Each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	// An error with several causes looks the same, but only a joined one is nothing but its parts.
	parts := joined.Unwrap()
	if whole := errors.Join(parts...); whole == nil || whole.Error() != err.Error() {
		return []error{err}
	}
	var all []error
	for _, one := range parts {
		all = append(all, Each(one)...)
	}
	return all
}
