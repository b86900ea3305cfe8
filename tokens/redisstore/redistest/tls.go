package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
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
	root, certificate, key := certificates(t)
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	port := freePort(t)
	s := Start(t, append([]string{
		"--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", file("cert.pem", certificate), "--tls-key-file", file("key.pem", key), "--tls-ca-cert-file", file("root.pem", root),
	}, args...)...)
	s.tlsPort, s.root = port, root
	return s
}

// TLSAddr returns the address for TLS.
func (s *Server) TLSAddr() string { return "localhost:" + s.tlsPort }

// Root returns the certificate to trust, as PEM.
func (s *Server) Root() []byte { return s.root }

// certificates returns a new root, and a certificate signed by it with its key, all as PEM.
func certificates(t *testing.T) (root, certificate, key []byte) {
	t.Helper()
	encode := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	rootKey, serverKey := newKey(), newKey()
	rootDER, err := x509.CreateCertificate(rand.Reader, authority, authority, rootKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", rootDER), encode("CERTIFICATE", serverDER), encode("PRIVATE KEY", keyDER)
}
