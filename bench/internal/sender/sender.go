// Package sender is a load generator: some connections that send lines of
// package lines, as fast as they are taken or at a given pace.
package sender

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"edgewarden/bench/internal/lines"
)

// Options say what is sent where.
type Options struct {
	Addr  string
	TLS   *tls.Config // nil means plain TCP
	Conns int         // connections; 0 means 4
	Lines int64       // in all; 0 means until the context ends
	Rate  int         // lines a second in all; 0 means as fast as they are taken
	Token string      // put in front of every line
	Run   string      // small letters other than c that begin every request id; "" means "b"
}

const (
	chunk = 256 // lines in a write without a pace
	beat  = time.Second / 100
	debt  = time.Second // a sender that was held up makes good at most this
)

// Sender is a running load. Its methods are safe for concurrent use.
type Sender struct {
	o      Options
	conns  []*conn
	wg     sync.WaitGroup
	paused atomic.Bool
}

type conn struct {
	net.Conn
	maker *lines.Maker
	quota int64 // lines to send; negative means no end

	sent, bytes atomic.Int64 // lines handed to the kernel as a whole, and all bytes
	first, last atomic.Int64 // when the first write began and the last one ended, Unix ns
	err         error        // why it ended early; read after wg
}

// Result is what was sent.
type Result struct {
	Sent        []int64 // lines written as a whole, a connection each
	Tried       []int64 // the same with those whose write failed
	Lines       int64   // sum of Sent
	Bytes       int64
	First, Last time.Time // when the first write began and the last one ended
	Err         error     // why connections ended early; nil when none did
}

// Start opens all connections and then begins to send on them.
func Start(ctx context.Context, o Options) (*Sender, error) {
	if o.Conns == 0 {
		o.Conns = 4
	}
	if o.Run == "" {
		o.Run = "b"
	}
	if strings.Trim(o.Run, "abdefghijklmnopqrstuvwxyz") != "" {
		return nil, fmt.Errorf("run %q: use small letters other than c", o.Run)
	}
	s := &Sender{o: o}
	for i := range o.Conns {
		c, err := o.dial(ctx)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("open connection %d of %d: %w", i+1, o.Conns, err)
		}
		s.conns = append(s.conns, &conn{Conn: c, maker: lines.New(o.Run, i, o.Token), quota: share(o.Lines, o.Conns, i)})
	}
	for _, c := range s.conns {
		s.wg.Go(func() { s.send(ctx, c) })
	}
	stop := context.AfterFunc(ctx, s.close) // ends writes that hang
	go func() { s.wg.Wait(); stop() }()
	return s, nil
}

func (o *Options) dial(ctx context.Context) (net.Conn, error) {
	if o.TLS != nil {
		return (&tls.Dialer{Config: o.TLS}).DialContext(ctx, "tcp", o.Addr)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", o.Addr)
}

func share(total int64, conns, i int) int64 {
	if total == 0 {
		return -1
	}
	n := total / int64(conns)
	if int64(i) < total%int64(conns) {
		n++
	}
	return n
}

func (s *Sender) close() {
	for _, c := range s.conns {
		c.Close()
	}
}

// Pause holds the sender up, or lets it go on.
func (s *Sender) Pause(on bool) { s.paused.Store(on) }

// Sent is how many lines were written as a whole so far.
func (s *Sender) Sent() (n int64) {
	for _, c := range s.conns {
		n += c.sent.Load()
	}
	return n
}

// Wait waits until everything is sent, the context has ended or all connections
// are broken. Connections that sent all they had are closed in order.
func (s *Sender) Wait() Result {
	s.wg.Wait()
	var r Result
	var errs []error
	for _, c := range s.conns {
		r.Sent = append(r.Sent, c.sent.Load())
		r.Tried = append(r.Tried, c.maker.Made())
		r.Lines += c.sent.Load()
		r.Bytes += c.bytes.Load()
		if at := c.first.Load(); at != 0 && (r.First.IsZero() || at < r.First.UnixNano()) {
			r.First = time.Unix(0, at)
		}
		if at := c.last.Load(); at > r.Last.UnixNano() || r.Last.IsZero() {
			r.Last = time.Unix(0, at)
		}
		errs = append(errs, c.err)
	}
	r.Err = errors.Join(errs...)
	return r
}

// send is the life of one connection.
func (s *Sender) send(ctx context.Context, c *conn) {
	defer c.Close()
	rate := float64(s.o.Rate) / float64(s.o.Conns)
	var buf []byte
	began := time.Now()
	for c.quota != 0 && ctx.Err() == nil {
		n := int64(chunk)
		if rate > 0 || s.paused.Load() {
			if n, began = s.due(ctx, c, rate, began); n == 0 {
				continue
			}
		}
		if c.quota > 0 {
			n = min(n, c.quota)
			c.quota -= n
		}
		now := time.Now()
		buf = c.maker.Append(buf[:0], int(n), now)
		c.first.CompareAndSwap(0, now.UnixNano())
		written, err := c.Write(buf)
		c.bytes.Add(int64(written))
		c.last.Store(time.Now().UnixNano())
		if err != nil {
			if ctx.Err() == nil {
				c.err = err
			}
			return
		}
		c.sent.Add(n)
	}
}

// due waits a beat when nothing is due and says how many lines are. It moves the
// beginning when the sender was paused or held up for too long.
func (s *Sender) due(ctx context.Context, c *conn, rate float64, began time.Time) (int64, time.Time) {
	now := time.Now()
	behind := int64(rate*now.Sub(began).Seconds()) - c.maker.Made()
	if s.paused.Load() || behind > int64(rate*debt.Seconds()) {
		if rate > 0 {
			began = now.Add(-time.Duration(float64(c.maker.Made()) / rate * float64(time.Second)))
		}
		behind = 0
	}
	if behind > 0 {
		return min(behind, 4*chunk), began
	}
	t := time.NewTimer(beat)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return 0, began
}
