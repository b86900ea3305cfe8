package redisstore_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens/redisstore"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
	"pandadoc-auth-proxy/tokens/storetest"
)

func roots(t *testing.T, certificate []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certificate) {
		t.Fatal("no certificate")
	}
	return pool
}

// A user with only the necessary rights, over TLS, with a private root certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := redistest.StartTLS(t, append([]string{"--user", "proxy", "on", ">secret"}, strings.Fields(redisstore.Rights("pandadoc-auth-proxy"))...)...)
	at := func(root []byte) *redisstore.Store {
		return open(t, redisstore.Options{URL: "rediss://proxy:secret@" + server.TLSAddr(), RootCAs: roots(t, root)})
	}
	s := at(server.Root())
	if err := s.Check(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	reports := watch(t, s)
	saved := save(t, at(server.Root()), storetest.Sample())
	reports.Changed(t, account, saved.Version)
	server.Kill()
	reports.Broken(t)
	server.Restart()
	reports.Connected(t)
}

// Each failure of TLS is reported at once, with its own error and fix.
func TestTLSThatGoesWrong(t *testing.T) {
	t.Parallel()
	server := redistest.StartTLS(t)
	other := redistest.StartTLS(t, "--tls-auth-clients", "yes")
	byNumber := strings.Replace(server.TLSAddr(), "localhost", "127.0.0.1", 1)
	for _, row := range []struct {
		name, url   string
		root        []byte
		error, hint string
	}{
		{"an unknown root", "rediss://" + server.TLSAddr(), other.Root(), "unknown authority", "--ca-file"},
		{"the roots of the system", "rediss://" + server.TLSAddr(), nil, "unknown authority", "--ca-file"},
		{"another name", "rediss://" + byNumber, server.Root(), "doesn't contain any IP SANs", "a name of the server that is in its certificate"},
		{"a certificate of the client is wanted", "rediss://" + other.TLSAddr(), other.Root(), "", "tls-auth-clients no"},
		{"TLS is wanted", "redis://" + server.TLSAddr(), nil, "", "write rediss://"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := redisstore.Options{URL: row.url}
			if row.root != nil {
				o.RootCAs = roots(t, row.root)
			}
			s := open(t, o)
			_, err := s.Save(t.Context(), account, storetest.Sample())
			wantError(t, err, row.error, row.hint)
			wantError(t, s.Check(t.Context(), ""), row.error, row.hint)
		})
	}
}
