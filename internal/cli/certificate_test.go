package cli

import (
	"bytes"
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

	"github.com/sirupsen/logrus"
)

// writePair writes a certificate with a serial number that tells it from others.
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
		var log bytes.Buffer
		c := &certificate{logger: logrus.New()}
		c.logger.SetOutput(&log)
		c.certFile, c.keyFile = writePair(t, dir, 1)
		if err := c.load(); err != nil {
			t.Fatal(err)
		}
		serves := func(when string, want int64) {
			t.Helper()
			pair, err := c.current(nil)
			if err != nil {
				t.Fatal(err)
			}
			check(t, when, pair.Leaf.SerialNumber.Int64(), want)
		}
		serves("at first", 1)
		writePair(t, dir, 2)
		time.Sleep(certificateCheck)
		serves("after a change", 2)
		if err := os.WriteFile(c.keyFile, []byte("half a key"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certificateCheck)
		serves("while the key does not fit", 2)
		time.Sleep(certificateCheck)
		serves("and is said once", 2)
		check(t, "warnings", bytes.Count(log.Bytes(), []byte("level=warning")), 1)
		os.Remove(c.keyFile)
		time.Sleep(certificateCheck)
		serves("without a key", 2)
		writePair(t, dir, 3)
		time.Sleep(certificateCheck)
		serves("after all", 3)
	})
}

func TestConnectionsFitTheOpenFiles(t *testing.T) {
	for _, row := range []struct {
		wanted int
		files  uint64
		want   int
	}{{4096, 1 << 20, 4096}, {4096, 0, 4096}, {4096, 1024, 309}, {4096, 256, 53}, {4096, 100, 8}, {10, 256, 10}, {1 << 40, ^uint64(0), 1 << 40}} {
		check(t, "connections", fitConnections(row.wanted, row.files), row.want)
	}
}

func TestPlaces(t *testing.T) {
	for _, row := range []struct {
		text, account, address string
		ok                     bool
	}{
		{"localhost:1", "", "localhost:1", true},
		{"acme=127.0.0.1:1", "acme", "127.0.0.1:1", true},
		{"acme=unix:/run/a=b", "acme", "unix:/run/a=b", true},
		{"unix:/run/a=b", "", "unix:/run/a=b", true},
		{"=127.0.0.1:1", "", "", false},
		{"Acme=127.0.0.1:1", "", "", false},
		{"acme=", "", "", false},
	} {
		p, err := parsePlace(row.text)
		if !row.ok {
			check(t, row.text, err != nil, true)
			continue
		}
		check(t, row.text, err, nil)
		check(t, row.text, p.account+" "+p.String(), row.account+" "+row.address)
	}
}
