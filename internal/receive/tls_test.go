package receive_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/receive"
)

// authority is a certificate authority made for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, dir: t.TempDir()}
	a.file = filepath.Join(a.dir, "ca.pem")
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes NAME.crt and NAME.key and returns the pair.
func (a *authority) issue(t *testing.T, name string, serial int64) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{name}, IPAddresses: []net.IP{net.ParseIP("127.0.0.1")},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(a.dir, name+".key"), "PRIVATE KEY", keyDER)
	writePEM(t, filepath.Join(a.dir, name+".crt"), "CERTIFICATE", der)
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// server issues a server certificate and names its files.
func (a *authority) server(t *testing.T) receive.TLS {
	t.Helper()
	a.issue(t, "logs.example", 2)
	return receive.TLS{CertFile: filepath.Join(a.dir, "logs.example.crt"), KeyFile: filepath.Join(a.dir, "logs.example.key")}
}

func (a *authority) client(certs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, ServerName: "logs.example", Certificates: certs}
}

func tlsListener() []receive.Listener { return []receive.Listener{{Addr: "127.0.0.1:0", TLS: true}} }

func TestLinesOverTLS(t *testing.T) {
	ca := newAuthority(t)
	h := open(t, receive.Options{Listeners: tlsListener(), TLS: ca.server(t)})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := ca.client()
		cfg.MinVersion, cfg.MaxVersion = version, version
		c := tls.Client(h.dial(t), cfg)
		send(t, c, strings.Repeat(tls.VersionName(version)+"\n", 5000))
	}
	for _, l := range h.wait(t, 10000) {
		if l.src.Verified || !strings.HasPrefix(l.text, "TLS 1.") {
			t.Fatalf("line %q, verified %v", l.text, l.src.Verified)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := newAuthority(t)
	h := open(t, receive.Options{Listeners: tlsListener(), TLS: ca.server(t)})
	for name, weaken := range map[string]func(*tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"no authenticated cipher": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := ca.client()
			weaken(cfg)
			if err := tls.Client(h.dial(t), cfg).Handshake(); err == nil {
				t.Error("the handshake succeeded")
			}
		})
	}
	eventually(t, "the count", func() bool { return h.rejected("tls_handshake") == 2 })
}

func TestWhoMayWriteOverTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	own := ca.issue(t, "fastly.client", 3)
	foreign := other.issue(t, "fastly.client", 3)
	sum := sha256.Sum256(own.Certificate[0])
	fingerprint := "sha256:" + hex.EncodeToString(sum[:])
	const withToken, without = "tok<134>2031-05-06T07:08:09Z a b[1]: x\n", "<134>2031-05-06T07:08:09Z a b[1]: x\n"
	for _, c := range []struct {
		name   string
		token  bool
		pins   []string
		certs  []tls.Certificate
		line   string
		refuse string // the reason; empty: the line arrives
	}{
		{"a signed certificate is enough", false, nil, []tls.Certificate{own}, without, ""},
		{"no certificate where one is required", false, nil, nil, without, "tls_handshake"},
		{"a certificate of another authority", false, nil, []tls.Certificate{foreign}, without, "tls_handshake"},
		{"with a token configured the certificate suffices", true, nil, []tls.Certificate{own}, without, ""},
		{"with a token configured the token suffices", true, nil, nil, withToken, ""},
		{"with a token configured one of them is needed", true, nil, nil, without, "auth"},
		{"a foreign certificate does not become good by a token", true, nil, []tls.Certificate{foreign}, withToken, "tls_handshake"},
		{"a pinned name", false, []string{"fastly.client"}, []tls.Certificate{own}, without, ""},
		{"a pinned fingerprint", false, []string{fingerprint}, []tls.Certificate{own}, without, ""},
		{"another pinned name", false, []string{"someone.else"}, []tls.Certificate{own}, without, "tls_handshake"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := ca.server(t)
			files.ClientCAFile, files.ClientNames = ca.file, c.pins
			o := receive.Options{Listeners: tlsListener(), TLS: files}
			if c.token {
				o.Tokens = [][]byte{[]byte("tok")}
			}
			h := open(t, o)
			nc := h.dial(t)
			conn := tls.Client(nc, ca.client(c.certs...))
			conn.Write([]byte(c.line)) // a refusal may come before or after it
			switch c.refuse {
			case "":
				l := h.wait(t, 1)
				if want := len(c.certs) > 0; l[0].src.Verified != want {
					t.Errorf("verified %v, want %v", l[0].src.Verified, want)
				}
			case "auth":
				eventually(t, "the drop", func() bool { return h.Stats().Dropped["auth"] == 1 })
			default:
				eventually(t, "the refusal", func() bool { return h.rejected(c.refuse) == 1 })
			}
			if c.refuse != "" && len(h.lines) != 0 {
				t.Errorf("the handler got %q", texts(h.lines))
			}
		})
	}
}

func TestAHandshakeHasADeadline(t *testing.T) {
	ca := newAuthority(t)
	h := open(t, receive.Options{Listeners: tlsListener(), TLS: ca.server(t), HandshakeTimeout: 50 * time.Millisecond})
	closed(t, h.dial(t))
	if h.rejected("tls_handshake_timeout") != 1 {
		t.Error("the timeout is not counted")
	}
}

func TestACertificateIsReadAgainWhenItsFileChanges(t *testing.T) {
	ca := newAuthority(t)
	files := ca.server(t)
	h := open(t, receive.Options{Listeners: tlsListener(), TLS: files})
	serial := func() int64 {
		c := tls.Client(h.dial(t), ca.client())
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	touch := func() { // a file system may have coarse times
		later := time.Now().Add(time.Minute)
		if err := os.Chtimes(files.CertFile, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if n := serial(); n != 2 {
		t.Fatalf("serial %d, want 2", n)
	}
	ca.issue(t, "logs.example", 7)
	touch()
	if n := serial(); n != 7 {
		t.Errorf("serial %d after the change, want 7", n)
	}
	if err := os.WriteFile(files.CertFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if n := serial(); n != 7 {
			t.Errorf("serial %d with a broken file, want the last good one", n)
		}
	}
	if n := strings.Count(h.log.String(), "keeping the TLS certificate in use"); n != 1 || !strings.Contains(h.log.String(), files.CertFile) {
		t.Errorf("the broken file is said %d times, want once and by name:\n%s", n, h.log)
	}
}
