package listen

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
	"testing/synctest"
	"time"
)

// writePair writes a certificate that can be recognised by its serial number.
func writePair(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		c := &Certificate{Changed: func(err error) {
			if err != nil {
				refused++
			}
		}}
		c.CertFile, c.KeyFile = writePair(t, dir, 1)
		if err := c.Load(); err != nil {
			t.Fatal(err)
		}
		serves := func(when string, want int64) {
			t.Helper()
			pair, err := c.current(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := pair.Leaf.SerialNumber.Int64(); got != want {
				t.Errorf("%s: got certificate %d, want %d", when, got, want)
			}
		}
		serves("at first", 1)
		writePair(t, dir, 2)
		time.Sleep(certificateCheck)
		serves("after a change", 2)
		if err := os.WriteFile(c.KeyFile, []byte("half a key"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certificateCheck)
		serves("while the key does not fit", 2)
		time.Sleep(certificateCheck)
		serves("and once more", 2)
		if refused != 1 {
			t.Errorf("told of %d pairs that cannot be used, want 1", refused)
		}
		os.Remove(c.KeyFile)
		time.Sleep(certificateCheck)
		serves("without a key", 2)
		writePair(t, dir, 3)
		time.Sleep(certificateCheck)
		serves("after all", 3)
	})
}
