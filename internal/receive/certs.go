package receive

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// suites are the TLS 1.2 cipher suites offered: forward secret and
// authenticated. TLS 1.3 has only such and cannot be configured.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// certificates holds the TLS configuration and renews it when a file changes.
type certificates struct {
	files    TLS
	optional bool // a token may stand in for a client certificate
	log      *slog.Logger
	config   *tls.Config // for tls.Server; asks current for every handshake

	mu     sync.Mutex // guards what follows
	now    *tls.Config
	leaf   *x509.Certificate
	stamps [3]stamp
	bad    bool // the files could not be read when last tried; said
}

// stamp tells one state of a file from another. Kubernetes swaps a symbolic
// link, which changes the time of the file it leads to.
type stamp struct {
	modified time.Time
	size     int64
}

func newCertificates(files TLS, optional bool, log *slog.Logger) (*certificates, error) {
	c := &certificates{files: files, optional: optional, log: log}
	c.config = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil },
	}
	c.stamps = c.stampFiles()
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// current returns the configuration of the files as they are now, or the last
// good one.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.stampFiles(); s != c.stamps {
		c.stamps = s
		err := c.load()
		if err != nil && !c.bad {
			c.log.Error("keeping the TLS certificate in use", "err", err)
		}
		c.bad = err != nil
	}
	return c.now
}

func (c *certificates) notAfter() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaf.NotAfter
}

func (c *certificates) stampFiles() (s [3]stamp) {
	for i, f := range []string{c.files.CertFile, c.files.KeyFile, c.files.ClientCAFile} {
		if f == "" {
			continue
		}
		if info, err := os.Stat(f); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// load reads the files into a fresh configuration.
func (c *certificates) load() error {
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("reading TLS certificate %s with key %s: %w", c.files.CertFile, c.files.KeyFile, err)
	}
	cfg := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites,
		Certificates: []tls.Certificate{pair},
		// Connections live for hours, so resumption saves nothing, and a resumed
		// session would outlive a change of the client CA.
		SessionTicketsDisabled: true,
	}
	if c.files.ClientCAFile != "" {
		if cfg.ClientCAs, err = readPool(c.files.ClientCAFile); err != nil {
			return err
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		if c.optional {
			cfg.ClientAuth = tls.VerifyClientCertIfGiven
		}
		cfg.VerifyConnection = c.pinned
	}
	c.now, c.leaf = cfg, pair.Leaf
	c.log.Info("TLS certificate in use", "subject", pair.Leaf.Subject.String(), "serial", pair.Leaf.SerialNumber.String(),
		"not_after", pair.Leaf.NotAfter.UTC().Format(time.RFC3339), "names", pair.Leaf.DNSNames)
	return nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading client CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading client CA %s: no PEM certificate in it", file)
	}
	return pool, nil
}

// pinned refuses a client certificate that bears none of the pinned names.
func (c *certificates) pinned(cs tls.ConnectionState) error {
	if len(c.files.ClientNames) == 0 || len(cs.PeerCertificates) == 0 {
		return nil
	}
	for _, have := range names(cs.PeerCertificates[0]) {
		if slices.Contains(c.files.ClientNames, have) {
			return nil
		}
	}
	return errors.New("the client certificate bears none of the pinned names")
}

// names lists what a certificate can be pinned by.
func names(cert *x509.Certificate) []string {
	sum := sha256.Sum256(cert.Raw)
	n := append([]string{"sha256:" + hex.EncodeToString(sum[:])}, cert.DNSNames...)
	n = append(n, cert.EmailAddresses...)
	for _, ip := range cert.IPAddresses {
		n = append(n, ip.String())
	}
	for _, u := range cert.URIs {
		n = append(n, u.String())
	}
	return n
}

// certificateName is the name that tells a client certificate from others in
// counters and the log: its first DNS name or URI, else its common name.
func certificateName(cert *x509.Certificate) string {
	switch {
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	case len(cert.URIs) > 0:
		return cert.URIs[0].String()
	}
	return cert.Subject.CommonName
}
