package receive

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"edgewarden/internal/parse"
)

// How long a connection must be silent before it is closed on shutdown.
const quiet = 250 * time.Millisecond

// conn is one connection while it is served.
type conn struct {
	s      *Server
	raw    net.Conn // the TCP connection; deadlines are set here
	net    net.Conn // what lines are read from: raw, or layers on it
	useTLS bool
	src    Source
	bytes  int64 // application bytes read
	auth   bool  // a line without token is refused

	reading atomic.Bool   // past the handshakes
	quietAt time.Time     // while leaving: when the connection will have been silent for long enough
	frames  []parse.Frame // of the present read
	copies  []byte        // lines among them that are not in the read buffer
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
	if reason, err := c.secure(); reason != "" {
		if c.s.forced.Load() {
			return // closed by us
		}
		c.s.reject(reason, c.remote(), err)
		return
	}
	c.reading.Store(true)
	if reason, err := c.read(); reason != "" {
		c.s.reject(reason, c.remote(), err)
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
	if allow := c.s.o.Allow; allow != nil && !allow(c.src.Remote.Addr()) {
		return reasonSource, nil
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
	case errors.Is(err, io.EOF):
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
	leaving := false
	for {
		if leaving = leaving || c.s.draining.Load() && c.leave(); leaving && !c.waitQuiet() {
			break
		}
		b, err = r.next()
		if len(b) > 0 {
			if c.bytes == 0 && !c.useTLS && tlsHello(b) {
				r.release()
				return reasonTLSOnPlain, errors.New("the first bytes are a TLS client hello")
			}
			c.bytes += int64(len(b))
			framer.Feed(b, emit)
			c.deliver()
		}
		b = nil // it would keep the buffer from being collected while the connection is quiet
		r.release()
		if errors.Is(err, os.ErrDeadlineExceeded) && (!leaving || time.Now().Before(c.quietAt)) {
			continue // woken for shutdown
		}
		if err != nil {
			break
		}
	}
	framer.Close(emit)
	c.deliver()
	return c.ending(err)
}

// take collects a frame for the handler. The framer's promise for a line ends
// with emit; one that lies in the read buffer stays until the buffer is given
// back, and the few that do not (put together from two reads) are copied.
func (c *conn) take(f parse.Frame, buf []byte) {
	if !within(f.Line, buf) {
		at := len(c.copies)
		c.copies = append(c.copies, f.Line...)
		f.Line = c.copies[at:len(c.copies):len(c.copies)]
	}
	c.frames = append(c.frames, f)
}

// within says whether line is a part of buf that nothing but buf's capacity ends.
func within(line, buf []byte) bool {
	at := cap(buf) - cap(line)
	return len(line) > 0 && at >= 0 && at < len(buf) && &buf[at] == &line[0]
}

// ending names how a connection ended, when that deserves a count of its own.
func (c *conn) ending(err error) (string, error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), c.s.draining.Load():
		return "", nil
	case c.bytes == 0:
		return reasonProbe, nil
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // the latter: TLS without close_notify
		return "", nil
	}
	return reasonBroken, err
}

// leave tells the sender that nothing more is read here, so that it turns to
// another receiver. Senders that do not look are given the quiet interval.
func (c *conn) leave() bool {
	type closer interface{ CloseWrite() error }
	if t, ok := c.net.(closer); ok {
		t.CloseWrite()
	} else if t, ok := c.raw.(closer); ok {
		t.CloseWrite()
	}
	return true
}

// waitQuiet arms the deadline that ends a connection fallen silent; false means stop now.
func (c *conn) waitQuiet() bool {
	c.quietAt = time.Now().Add(quiet)
	c.raw.SetReadDeadline(c.quietAt)
	return !c.s.forced.Load()
}

// deliver hands the collected frames to the handler: one call for all of a read.
func (c *conn) deliver() {
	if len(c.frames) == 0 {
		return
	}
	now := time.Now()
	c.s.m.receive(len(c.frames), now)
	kept := c.frames
	if c.auth {
		kept = c.frames[:0]
		for _, f := range c.frames {
			if f.Token {
				kept = append(kept, f)
			}
		}
		if refused := len(c.frames) - len(kept); refused > 0 {
			c.s.refuse(refused, c.remote())
		}
	}
	if len(kept) > 0 {
		c.s.o.Handler(c.src, now, kept)
	}
	clear(c.frames)
	c.frames = c.frames[:0]
	c.copies = c.copies[:0]
	if cap(c.copies) > tlsBuffer {
		c.copies = nil // a quiet connection holds no long line
	}
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
