package problem

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// hinted is an error with the next thing to try. HintOf also accepts other errors with a method Hint() string.
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
		return "use a name of the server that is in its certificate, or get a certificate for this name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate of the server, or set the clock of this machine"
	case errors.As(err, &verify):
		return "set --ca-file to a file with the root certificate of the server"
	case errors.As(err, &record):
		return "the server does not speak TLS at this address: check scheme and port"
	case errors.As(err, &network) && network.Op == "remote error":
		return "the server refused the TLS connection: configure it to require no client certificates (Redis: tls-auth-clients no)"
	}
	return ""
}

// Each returns the errors that errors.Join has put together in err, so that each can be shown with its own hint.
// It returns nothing for nil, and err itself if it is not a joined error.
func Each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	// Other errors have this method too, but only errors.Join adds no text of its own.
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
