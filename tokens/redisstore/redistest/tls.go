package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// StartTLS is Start for a server that also speaks TLS, at TLSAddr. Its certificate is for "localhost", and it requires
// no client certificates.
func StartTLS(t *testing.T, args ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	certificate, key := newCertificate(t)
	certificateFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(os.WriteFile(certificateFile, certificate, 0o600), os.WriteFile(keyFile, key, 0o600)); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s := Start(t, append([]string{
		"--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", certificateFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certificateFile,
	}, args...)...)
	s.tlsPort, s.root = port, certificate
	return s
}

// TLSAddr returns the address for TLS.
func (s *Server) TLSAddr() string { return "localhost:" + s.tlsPort }

// Root returns the certificate to trust, as PEM.
func (s *Server) Root() []byte { return s.root }

// newCertificate returns a certificate that is its own root, and its key, as PEM.
func newCertificate(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
	}
	certificateDER, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificateDER}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
