package receive_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"edgewarden/internal/parse"
	"edgewarden/internal/receive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must happen.
const patience = time.Minute

// house is a running server and everything its handler was given.
type house struct {
	*receive.Server
	reg  *prometheus.Registry
	log  *lockedBuffer
	done chan error

	mu      sync.Mutex
	changed *sync.Cond
	lines   []line
	calls   int
}

type line struct {
	text string
	src  receive.Source
	parse.Frame
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func open(t *testing.T, o receive.Options) *house {
	t.Helper()
	h := &house{reg: prometheus.NewRegistry(), log: &lockedBuffer{}, done: make(chan error, 1)}
	h.changed = sync.NewCond(&h.mu)
	if len(o.Listeners) == 0 {
		o.Listeners = []receive.Listener{{Addr: "127.0.0.1:0"}}
	}
	if o.Handler == nil {
		o.Handler = h.take
	}
	o.Registerer, o.Logger = h.reg, slog.New(slog.NewTextHandler(h.log, nil))
	s, err := receive.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	h.Server = s
	go func() { h.done <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		if err := <-h.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return h
}

func (h *house) take(src receive.Source, received time.Time, frames []parse.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	for _, f := range frames {
		text := string(f.Line)
		f.Line = nil // the buffer is not ours to keep
		h.lines = append(h.lines, line{text, src, f})
	}
	h.changed.Broadcast()
}

// wait returns the lines once there are n; it fails the test when they do not come.
func (h *house) wait(t *testing.T, n int) []line {
	t.Helper()
	h.until(t, fmt.Sprintf("%d lines", n), func() bool { return len(h.lines) >= n })
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]line(nil), h.lines...)
}

func (h *house) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timer := time.AfterFunc(patience, func() { h.changed.Broadcast() })
	defer timer.Stop()
	end := time.Now().Add(patience)
	h.mu.Lock()
	defer h.mu.Unlock()
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("no %s within %v; log:\n%s", what, patience, h.log)
		}
		h.changed.Wait()
	}
}

// eventually polls a condition that no channel announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s did not happen within %v", what, patience)
		}
	}
}

func (h *house) addr() string { return h.Addrs()[0].String() }

func (h *house) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", h.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// closed waits until the other side has ended the connection.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || err.(interface{ Error() string }).Error() != "" && isTimeout(err) {
		t.Fatalf("the connection is still open (read %d, %v)", n, err)
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

func (h *house) rejected(reason string) float64 {
	return max(0, h.metric(`edgewarden_ingest_rejected_connections_total reason="`+reason+`"`))
}

func (h *house) connections() float64 { return h.metric("edgewarden_ingest_connections") }

// metric is the value of a counter or gauge, given as its name and, after a
// space, its one label; -1 when it is not exported.
func (h *house) metric(name string) float64 {
	families, err := h.reg.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			full := f.GetName()
			for _, l := range m.GetLabel() {
				full += fmt.Sprintf(" %s=%q", l.GetName(), l.GetValue())
			}
			if full == name {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func texts(lines []line) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.text)
	}
	return strings.Join(all, "|")
}

func TestEveryLineOfEveryConnectionArrivesOnceAndInOrder(t *testing.T) {
	h := open(t, receive.Options{})
	const conns, each = 8, 2000
	var wg sync.WaitGroup
	for c := range conns {
		wg.Go(func() {
			nc, err := net.Dial("tcp", h.addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			for i := range each {
				fmt.Fprintf(nc, "<134>2031-05-06T07:08:09Z cache-a e[%d]: %d\n", c, i)
			}
		})
	}
	wg.Wait()
	next := map[uint64]int{}
	for _, l := range h.wait(t, conns*each) {
		want := fmt.Sprintf("]: %d", next[l.src.Conn])
		if !strings.HasSuffix(l.text, want) {
			t.Fatalf("connection %d: line %q, want one that ends in %q", l.src.Conn, l.text, want)
		}
		next[l.src.Conn]++
	}
	if len(next) != conns {
		t.Errorf("%d connections, want %d", len(next), conns)
	}
	if s := h.Stats(); s.Received != conns*each || s.Last.IsZero() {
		t.Errorf("stats %+v, want %d received", s, conns*each)
	}
}

// Most lines lie in one read, some are put together from two, and none may be
// overwritten by what is read after it.
func TestLinesThatSpanReadsKeepTheirBytes(t *testing.T) {
	ca := newAuthority(t)
	for _, c := range []struct {
		name string
		tls  bool
	}{{"plain", false}, {"TLS", true}} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, receive.Options{Listeners: []receive.Listener{{Addr: "127.0.0.1:0", TLS: c.tls}}, TLS: ca.server(t)})
			var nc net.Conn = h.dial(t)
			if c.tls {
				nc = tls.Client(nc, ca.client())
			}
			const n = 20000
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "<134>2031-05-06T07:08:09Z cache-a e[1]: %06d %s\n", i, strings.Repeat("x", i%300))
			}
			go io.WriteString(nc, b.String())
			for i, l := range h.wait(t, n) {
				if want := fmt.Sprintf("]: %06d %s", i, strings.Repeat("x", i%300)); !strings.HasSuffix(l.text, want) {
					t.Fatalf("line %d is %q", i, l.text)
				}
			}
		})
	}
}

func TestAllLinesOfOneReadComeInOneCall(t *testing.T) {
	h := open(t, receive.Options{})
	send(t, h.dial(t), strings.Repeat("{\"a\":1}\n", 100))
	h.wait(t, 100)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls > 3 {
		t.Errorf("%d handler calls for 100 lines that were written at once", h.calls)
	}
}

func TestALineOutlivesItsConnectionWhenItWasNotFinished(t *testing.T) {
	h := open(t, receive.Options{})
	c := h.dial(t)
	send(t, c, "whole\nhalf a li")
	c.Close()
	l := h.wait(t, 2)
	if texts(l) != "whole|half a li" || l[0].Unterminated || !l[1].Unterminated {
		t.Errorf("lines %q, unterminated %v %v; want the half line marked", texts(l), l[0].Unterminated, l[1].Unterminated)
	}
}

func TestAnOversizeLineIsCutAndTheConnectionGoesOn(t *testing.T) {
	h := open(t, receive.Options{MaxLine: 1000})
	c := h.dial(t)
	send(t, c, "{"+strings.Repeat("x", 1<<20)+"\nnext\n")
	l := h.wait(t, 2)
	if !l[0].Cut || len(l[0].text) != 1000 || l[0].Length != 1<<20+1 {
		t.Errorf("first line: cut %v, %d bytes kept of %d", l[0].Cut, len(l[0].text), l[0].Length)
	}
	if l[1].text != "next" || l[1].src.Conn != l[0].src.Conn {
		t.Errorf("second line %q on connection %d, want it on the same connection", l[1].text, l[1].src.Conn)
	}
}

func TestLinesWithoutAConfiguredTokenNeverReachTheHandler(t *testing.T) {
	h := open(t, receive.Options{Tokens: [][]byte{[]byte("present-token"), []byte("next-token")}})
	c := h.dial(t)
	for range 50 {
		send(t, c, "wrong-token<134>2031-05-06T07:08:09Z a b[1]: forged\nno token at all\n")
	}
	send(t, c, "present-token<134>2031-05-06T07:08:09Z a b[1]: one\nnext-token<134>2031-05-06T07:08:09Z a b[1]: two\n")
	l := h.wait(t, 2)
	if len(l) != 2 || strings.Contains(texts(l), "forged") || strings.Contains(texts(l), "token") {
		t.Errorf("handler got %q", texts(l))
	}
	if s := h.Stats(); s.Received != 102 || s.Dropped[receive.DropAuth] != 100 {
		t.Errorf("stats %+v, want 102 received and 100 dropped for auth", s)
	}
	if n := strings.Count(h.log.String(), "reason=auth"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, h.log)
	}
	if strings.Contains(h.log.String(), "wrong-token") || strings.Contains(h.log.String(), "present-token") {
		t.Errorf("the log contains a token:\n%s", h.log)
	}
}

func TestWhatTheHandlerCannotKeepIsCounted(t *testing.T) {
	var h *house
	ready := make(chan struct{})
	h = open(t, receive.Options{Handler: func(_ receive.Source, _ time.Time, f []parse.Frame) {
		<-ready
		h.Drop("spool_full", len(f))
	}})
	close(ready)
	send(t, h.dial(t), "a\nb\nc\n")
	eventually(t, "the drop", func() bool { return h.Stats().Dropped["spool_full"] == 3 })
	for name, want := range map[string]float64{
		`edgewarden_ingest_received_lines_total`: 3, `edgewarden_ingest_dropped_lines_total reason="spool_full"`: 3,
		`edgewarden_ingest_dropped_lines_total reason="auth"`: 0, `edgewarden_ingest_accepted_connections_total`: 1,
	} {
		if got := h.metric(name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if at := h.metric("edgewarden_ingest_last_line_timestamp_seconds"); math.Abs(at-float64(time.Now().Unix())) > 60 {
		t.Errorf("last line at %v, want about now", at)
	}
}

func TestStrayConnectionsAreCountedAndSaidOnce(t *testing.T) {
	ca := newAuthority(t)
	tlsPort := receive.Options{Listeners: []receive.Listener{{Addr: "127.0.0.1:0", TLS: true}}, TLS: ca.server(t)}
	for _, c := range []struct {
		name, reason string
		o            receive.Options
		do           func(t *testing.T, c *net.TCPConn)
	}{
		{"a TLS hello on the plain port", "tls_on_plain_port", receive.Options{}, func(t *testing.T, c *net.TCPConn) {
			if err := tls.Client(c, &tls.Config{ServerName: "x"}).Handshake(); err == nil {
				t.Error("a TLS handshake succeeded on the plain port")
			}
		}},
		{"a plain line on the TLS port", "plain_on_tls_port", tlsPort, func(t *testing.T, c *net.TCPConn) {
			send(t, c, "<134>2031-05-06T07:08:09Z cache-a e[1]: hello\n")
			io.Copy(io.Discard, c)
		}},
		{"a probe on the plain port", "probe", receive.Options{}, func(t *testing.T, c *net.TCPConn) {}},
		{"a probe on the TLS port", "probe", tlsPort, func(t *testing.T, c *net.TCPConn) {}},
		{"a probe that resets", "probe", receive.Options{}, func(t *testing.T, c *net.TCPConn) { c.SetLinger(0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, c.o)
			for range 20 {
				nc := h.dial(t)
				c.do(t, nc)
				nc.Close()
			}
			eventually(t, "20 rejections", func() bool { return h.rejected(c.reason) == 20 })
			if n := strings.Count(h.log.String(), "reason="+c.reason); n != 1 {
				t.Errorf("said %d times, want once:\n%s", n, h.log)
			}
			if strings.Contains(h.log.String(), "level=ERROR") {
				t.Errorf("a stray connection is no error:\n%s", h.log)
			}
			if len(h.lines) != 0 || h.Stats().Received != 0 {
				t.Errorf("lines came of it: %q", texts(h.lines))
			}
		})
	}
}

func TestAPanicEndsOneConnectionOnly(t *testing.T) {
	var h *house
	h = open(t, receive.Options{Handler: func(src receive.Source, at time.Time, f []parse.Frame) {
		if string(f[0].Line) == "boom" {
			panic("kaboom")
		}
		h.take(src, at, f)
	}})
	good, bad := h.dial(t), h.dial(t)
	send(t, good, "before\n")
	h.wait(t, 1)
	send(t, bad, "boom\n")
	closed(t, bad)
	send(t, good, "after\n")
	if l := h.wait(t, 2); texts(l) != "before|after" {
		t.Errorf("lines %q", texts(l))
	}
	if h.rejected("panic") != 1 || !strings.Contains(h.log.String(), "kaboom") {
		t.Errorf("the panic is not reported:\n%s", h.log)
	}
}

func TestConnectionLimits(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		o            receive.Options
	}{
		{"in total", "too_many_connections", receive.Options{MaxConns: 2}},
		{"per source", "too_many_connections_from_source", receive.Options{MaxConnsPerSource: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, c.o)
			a, b := h.dial(t), h.dial(t)
			send(t, a, "a\n")
			send(t, b, "b\n")
			h.wait(t, 2)
			third := h.dial(t)
			closed(t, third)
			if h.rejected(c.reason) != 1 {
				t.Errorf("%s = %v, want 1", c.reason, h.rejected(c.reason))
			}
			send(t, a, "still\n")
			h.wait(t, 3)
			a.Close()
			eventually(t, "the end of the first connection", func() bool { return h.connections() == 1 })
			send(t, h.dial(t), "again\n")
			h.wait(t, 4)
		})
	}
}

func TestQuietConnectionsHoldNoBuffer(t *testing.T) {
	h := open(t, receive.Options{MaxConnsPerSource: 1000})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // twice: a sync.Pool keeps its buffers for one collection
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const n = 200
	for i := range n {
		send(t, h.dial(t), "hello\n")
		h.wait(t, i+1)
	}
	if grown := (int64(heap()) - int64(before)) / n; grown > 64<<10 {
		t.Errorf("a quiet connection costs %d KiB", grown>>10)
	}
}
