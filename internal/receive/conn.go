package receive

import (
	"container/list"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"edgewarden/internal/parse"
)

// conn is one connection while it is served.
type conn struct {
	s      *Server
	raw    net.Conn // the TCP connection; deadlines are set here
	net    net.Conn // what lines are read from: raw, or layers on it
	useTLS bool
	src    Source
	opened time.Time
	auth   bool // a line without token is refused

	foreign bool          // the source is not expected
	proven  bool          // it brought a line that was not refused
	place   *list.Element // in Server.silent; guarded by Server.mu
	evicted atomic.Bool   // closed in favour of another

	reading atomic.Bool // past the handshakes
	bytes   int64       // application bytes read
	tally   tally       // of the present read
	work    *work       // frames of the present read; nil between reads
	exit    exit
}

func (c *conn) remote() string { return c.src.Remote.String() }

// serve runs the connection to its end. A panic ends this connection only.
func (c *conn) serve() {
	defer c.raw.Close()
	defer func() {
		if p := recover(); p != nil {
			c.s.reject(reasonPanic, c.remote(), fmt.Errorf("%v\n%s", p, debug.Stack()))
		}
	}()
	if reason, err := c.open(); reason != "" {
		c.s.reject(reason, c.remote(), err)
		return
	}
	source := c.src.Remote.Addr().String()
	if !c.s.enter(source) {
		c.s.reject(reasonTooManySource, c.remote(), fmt.Errorf("%d connections are open from it", c.s.o.MaxConnsPerSource))
		return
	}
	defer c.s.leave(source)
	reason, err := c.secure()
	if reason == "" {
		c.identify()
		c.reading.Store(true)
		c.setAge()
		reason, err = c.read()
	} else if c.s.forced.Load() {
		return // closed by us
	}
	if c.evicted.Load() {
		reason, err = reasonEvicted, nil
	}
	if reason != "" {
		c.s.reject(reason, c.remote(), err)
	}
}

// identify names the sender.
func (c *conn) identify() {
	a := c.src.Remote.Addr()
	c.src.Sender = a.String()
	if a.Is6() {
		p, _ := a.Prefix(64) // it cannot fail: 64 is less than 128
		c.src.Sender = p.String()
	}
	if t, ok := c.net.(*tls.Conn); ok && c.src.Verified {
		c.src.Sender = certificateName(t.ConnectionState().PeerCertificates[0]) + "@" + c.src.Sender
	}
}

// open reads the PROXY header where one is due and asks whether the source may
// connect. A reason means that the connection ends.
func (c *conn) open() (reason string, err error) {
	if c.fromProxy() {
		p := proxyproto.NewConn(c.raw, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(c.s.o.HandshakeTimeout))
		if p.ProxyHeader() == nil {
			_, err := p.Read(nil)
			if errors.Is(err, io.EOF) {
				return reasonProbe, nil
			}
			return reasonProxyHeader, err
		}
		c.net = p
		c.src.Remote = addrPort(p.RemoteAddr())
	}
	if expected := c.s.o.Expected; expected != nil && !expected(c.src.Remote.Addr()) {
		c.foreign = true
		c.s.m.foreign.Inc()
		if len(c.s.o.Tokens) == 0 && c.s.o.TLS.ClientCAFile == "" {
			return reasonSource, nil
		}
	}
	return "", nil
}

func (c *conn) fromProxy() bool {
	for _, p := range c.s.o.ProxyFrom {
		if p.Contains(c.src.Remote.Addr()) {
			return true
		}
	}
	return false
}

// secure does the TLS handshake and settles what lines of this connection need.
func (c *conn) secure() (reason string, err error) {
	o := &c.s.o
	c.auth = len(o.Tokens) > 0 || o.TLS.ClientCAFile != ""
	if !c.useTLS {
		return "", nil
	}
	t := tls.Server(c.net, c.s.certs.config)
	c.raw.SetDeadline(time.Now().Add(o.HandshakeTimeout))
	if err := t.Handshake(); err != nil {
		return handshakeReason(err), err
	}
	c.raw.SetDeadline(time.Time{})
	c.net = t
	c.src.Verified = len(t.ConnectionState().VerifiedChains) > 0
	c.auth = c.auth && !c.src.Verified
	return "", nil
}

func handshakeReason(err error) string {
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &header):
		return reasonPlainOnTLS
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET): // a port scan; certificates have nothing to do with it
		return reasonProbe
	case errors.Is(err, os.ErrDeadlineExceeded):
		return reasonHandshakeTimeout
	}
	return reasonHandshake
}

// read feeds the framer until the stream ends, then hands out what is left.
func (c *conn) read() (reason string, err error) {
	framer := parse.NewFramer(parse.FramerOptions{MaxLine: c.s.o.MaxLine, Tokens: c.s.o.Tokens})
	var b []byte
	emit := func(f parse.Frame) { c.take(f, b) }
	r := newReader(c.net)
	whole := true // the last read ended with a line
	for {
		if c.leaves() && !c.stays(whole) {
			break
		}
		b, err = r.next(c.exit.slow)
		if len(b) > 0 {
			if c.bytes == 0 && !c.useTLS && tlsHello(b) {
				r.release()
				return reasonTLSOnPlain, errors.New("the first bytes are a TLS client hello")
			}
			c.bytes += int64(len(b))
			c.exit.silent = 0
			c.tally.bytes = int64(len(b))
			whole = b[len(b)-1] == '\n'
			framer.Feed(b, emit)
			c.deliver()
		}
		b = nil // it would keep the buffer from being collected while the connection is quiet
		r.release()
		if errors.Is(err, os.ErrDeadlineExceeded) && c.goesOn() {
			continue
		}
		if err != nil {
			break
		}
	}
	framer.Close(emit)
	c.deliver()
	return c.ending(err)
}

// tlsHello says whether b begins a TLS handshake record (RFC 8446 section 5.1).
func tlsHello(b []byte) bool { return len(b) >= 3 && b[0] == 0x16 && b[1] == 0x03 && b[2] <= 0x04 }

// addrPort is a's address, IPv4-mapped addresses unmapped.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	}
	return netip.AddrPort{}
}
