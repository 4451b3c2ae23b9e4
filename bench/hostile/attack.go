package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// perSource is how many connections come from one address of 127.0.0.0/8: below
// what ingest allows a source, as an attacker with many addresses would do it.
const perSource = 200

// attack is everything hostile. It speaks to loopback only.
type attack struct {
	o          options
	plain, tls string // where
	wg         sync.WaitGroup
	source     atomic.Int64
	ready      chan struct{} // closed when every connection to hold was opened or refused

	held, slow, refused, probes, records, long, closed atomic.Int64
}

func newAttack(o options, plain, tls string) *attack {
	return &attack{o: o, plain: plain, tls: tls, ready: make(chan struct{})}
}

func (a *attack) String() string {
	return fmt.Sprintf("%d connections held (%d of them slow senders, %d closed by ingest), %d refused, %d probes, %d garbled TLS starts, %d long lines",
		a.held.Load(), a.slow.Load(), a.closed.Load(), a.refused.Load(), a.probes.Load(), a.records.Load(), a.long.Load())
}

// run attacks until the context ends.
func (a *attack) run(ctx context.Context) {
	a.wg.Add(1)
	defer a.wg.Done()
	for range 2 {
		a.wg.Go(func() { a.repeat(ctx, a.o.probes/2, a.probe) })
		a.wg.Go(func() { a.repeat(ctx, a.o.probes/5, a.garble) })
		a.wg.Go(func() { a.longLines(ctx, a.o.long/2) })
	}
	const openers = 8
	var opening sync.WaitGroup
	for w := range openers {
		opening.Go(func() {
			for n := w; n < a.o.conns && ctx.Err() == nil; n += openers {
				a.hold(ctx, n)
			}
		})
	}
	opening.Wait()
	close(a.ready)
	<-ctx.Done()
}

func (a *attack) wait() { a.wg.Wait() }

func (a *attack) atFullStrength(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("open hostile connections: %w (%s)", ctx.Err(), a)
	}
}

// dial connects from an address that few others use.
func (a *attack) dial(ctx context.Context, to string) (*net.TCPConn, error) {
	n := a.source.Add(1) / perSource
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 7, byte(n>>8), byte(n))}}
	c, err := d.DialContext(ctx, "tcp4", to)
	if err != nil {
		if ctx.Err() == nil {
			a.refused.Add(1)
		}
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// hold opens connection n and keeps it: silent, in the middle of a line, or slow.
func (a *attack) hold(ctx context.Context, n int) {
	c, err := a.dial(ctx, a.plain)
	if err != nil {
		return
	}
	a.held.Add(1)
	var every time.Duration
	switch {
	case n%20 == 0: // a few bytes a second, for ever
		a.slow.Add(1)
		every = 500 * time.Millisecond
		fallthrough
	case n%2 == 0: // half a line
		c.Write([]byte(`<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: {"timestamp":"2031-`))
	}
	a.wg.Go(func() {
		defer c.Close()
		a.drip(ctx, c, every)
	})
}

// drip writes a few bytes every now and then, or only waits.
func (a *attack) drip(ctx context.Context, c net.Conn, every time.Duration) {
	if every == 0 {
		// Nobody answers on this port: a read ends when ingest closes.
		stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		if _, err := c.Read(make([]byte, 1)); err != nil && ctx.Err() == nil {
			a.closed.Add(1)
		}
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if _, err := c.Write([]byte("slow")); err != nil {
			a.closed.Add(1)
			return
		}
	}
}

// repeat calls do so many times a second.
func (a *attack) repeat(ctx context.Context, rate int, do func(context.Context, *rand.Rand)) {
	rng := rand.New(rand.NewPCG(uint64(rate), 3))
	t := time.NewTicker(time.Second / time.Duration(max(1, rate)))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do(ctx, rng)
		}
	}
}

// probe connects and closes, in order or with a reset.
func (a *attack) probe(ctx context.Context, rng *rand.Rand) {
	c, err := a.dial(ctx, []string{a.plain, a.tls}[rng.IntN(2)])
	if err != nil {
		return
	}
	if rng.IntN(2) == 0 {
		c.SetLinger(0)
	}
	c.Close()
	a.probes.Add(1)
}

// garble sends to the TLS port what is no handshake, or the beginning of one.
func (a *attack) garble(ctx context.Context, rng *rand.Rand) {
	c, err := a.dial(ctx, a.tls)
	if err != nil {
		return
	}
	defer c.Close()
	junk := make([]byte, 5+rng.IntN(2000))
	for i := range junk {
		junk[i] = byte(rng.Uint32())
	}
	switch rng.IntN(4) {
	case 0: // a record of handshake type with a false length and random content
		junk[0], junk[1], junk[2] = 0x16, 3, byte(1+rng.IntN(3))
	case 1: // a record of a type that cannot come first
		junk[0], junk[1], junk[2] = byte(0x14+rng.IntN(4)), 3, 3
	case 2: // plain text
		junk = []byte("<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: {}\nGET / HTTP/1.1\r\n\r\n")
	}
	c.Write(junk)
	a.records.Add(1)
}

// longLines sends lines of 9 to 16 KB in pieces of 8 KB.
func (a *attack) longLines(ctx context.Context, rate int) {
	c, err := a.dial(ctx, a.plain)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetNoDelay(true)
	stop := context.AfterFunc(ctx, func() { c.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	a.repeat(ctx, rate, func(_ context.Context, rng *rand.Rand) {
		line := longLine(9<<10 + rng.IntN(7<<10))
		for len(line) > 0 {
			n := min(8<<10, len(line))
			if _, err := c.Write(line[:n]); err != nil {
				return
			}
			line = line[n:]
		}
		a.long.Add(1)
	})
}

const longest = 16 << 10

// filler is what long lines are made of: digits among it keep the masking busy.
var filler = func() []byte {
	rng := rand.New(rand.NewPCG(8, 16))
	b := make([]byte, longest)
	for i := range b {
		b[i] = "abcdefgh 0123456789-"[rng.IntN(20)]
	}
	return b
}()

func longLine(n int) []byte {
	head := []byte(`<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: {"service_id":"S","path":"/long","query":"`)
	return append(append(head, filler[:max(0, n-len(head)-3)]...), "\"}\n"...)
}
