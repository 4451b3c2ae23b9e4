package receive

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Server listens, accepts and serves connections until [Server.Shutdown].
type Server struct {
	o         Options
	log       *slog.Logger
	certs     *certificates // nil without a TLS listener
	listeners []net.Listener
	m         *metrics
	said      said

	draining atomic.Bool // listeners are closed; connections end at their next quiet moment
	forced   atomic.Bool // connections end now

	numbers atomic.Uint64 // last connection number

	mu      sync.Mutex
	conns   map[*conn]struct{}
	sources map[string]int // open connections per source address
	silent  list.List      // of *conn: those that have brought no line yet, oldest first

	serving sync.WaitGroup // accept loops and connections
}

// Listen checks o and binds every address. Nothing is accepted before Serve.
func Listen(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	s := &Server{o: o, log: o.Logger, conns: map[*conn]struct{}{}, sources: map[string]int{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.said.log = s.log
	for _, l := range o.Listeners {
		if l.TLS && s.certs == nil {
			c, err := newCertificates(o.TLS, len(o.Tokens) > 0, s.log)
			if err != nil {
				return nil, err
			}
			s.certs = c
		}
	}
	m, err := newMetrics(o.Registerer, s)
	if err != nil {
		return nil, fmt.Errorf("registering receiver metrics: %w", err)
	}
	s.m = m
	// A dead peer (a cache node that lost power) is noticed after about two minutes
	// by keepalive; a quiet one may stay quiet for hours.
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}}
	for _, l := range o.Listeners {
		ln, err := lc.Listen(context.Background(), "tcp", l.Addr)
		if err != nil {
			s.closeListeners()
			return nil, fmt.Errorf("listening for log lines: %w", err)
		}
		s.listeners = append(s.listeners, ln)
	}
	return s, nil
}

// Addrs returns the bound addresses in the order of Options.Listeners.
func (s *Server) Addrs() []net.Addr {
	var a []net.Addr
	for _, l := range s.listeners {
		a = append(a, l.Addr())
	}
	return a
}

// Serve accepts until Shutdown closes the listeners; then it returns nil, at
// once, while connections may still be served. Any other end of a listener is
// returned as an error.
func (s *Server) Serve() error {
	errs := make(chan error, len(s.listeners))
	for i, l := range s.listeners {
		s.serving.Add(1)
		go func() {
			defer s.serving.Done()
			errs <- s.accept(l, s.o.Listeners[i].TLS)
		}()
	}
	var all []error
	for range s.listeners {
		if err := <-errs; err != nil {
			s.closeListeners()
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// accept hands out connections. It survives every error but a closed listener:
// running out of file descriptors must not end a receiver.
func (s *Server) accept(l net.Listener, useTLS bool) error {
	pause := acceptPauseMin
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = acceptPauseMin
			s.admit(c, useTLS)
		case errors.Is(err, net.ErrClosed) && s.draining.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting on %s: %w", l.Addr(), err)
		default:
			s.reject(reasonAccept, "", err)
			time.Sleep(pause)
			pause = min(2*pause, acceptPauseMax)
		}
	}
}

// How long accept waits after an error such as too many open files.
const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// admit starts serving c, if the limits allow it.
func (s *Server) admit(nc net.Conn, useTLS bool) {
	s.m.accepted.Inc()
	c := &conn{s: s, raw: nc, net: nc, useTLS: useTLS, opened: time.Now()}
	c.src.Conn = s.numbers.Add(1)
	c.src.Remote = addrPort(nc.RemoteAddr())
	s.mu.Lock()
	full := len(s.conns) >= s.o.MaxConns && !s.evict()
	if !full {
		s.conns[c] = struct{}{}
		c.place = s.silent.PushBack(c)
		s.serving.Add(1)
	}
	s.mu.Unlock()
	if full {
		nc.Close()
		s.reject(reasonTooMany, c.remote(), fmt.Errorf("%d connections are open", s.o.MaxConns))
		return
	}
	go func() {
		defer s.serving.Done()
		c.serve()
		s.heard(c)
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// evict closes the oldest connection that has brought no line yet and says
// whether there was one. Sockets that somebody opens and holds cannot keep a
// sender out: a new one has as long to speak as it takes to open MaxConns more.
// mu is held.
func (s *Server) evict() bool {
	e := s.silent.Front()
	if e == nil {
		return false
	}
	c := s.silent.Remove(e).(*conn)
	c.place = nil
	c.evicted.Store(true)
	c.raw.Close()
	return true
}

// heard takes a connection that brought its first line, or ended, from those
// that may be evicted.
func (s *Server) heard(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.place != nil {
		s.silent.Remove(c.place)
		c.place = nil
	}
}

// enter counts a connection for its source and says whether the limit allows it.
func (s *Server) enter(source string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources[source] >= s.o.MaxConnsPerSource {
		return false
	}
	s.sources[source]++
	return true
}

func (s *Server) leave(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources[source]--; s.sources[source] <= 0 {
		delete(s.sources, source)
	}
}

// StopAccepting closes the listeners; open connections go on.
func (s *Server) StopAccepting() {
	s.draining.Store(true)
	s.closeListeners()
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		l.Close()
	}
}

// Shutdown closes the listeners and ends every connection: its sender is told
// (our half is closed), what has already arrived is read, and the connection
// is closed when it falls quiet. When ctx ends first, connections are closed
// with what they have. It returns when the last handler call has returned; the
// error is ctx's when connections had to be cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.StopAccepting()
	s.wake()
	done := make(chan struct{})
	go func() { s.serving.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.forced.Store(true)
	s.wake()
	<-done
	return ctx.Err()
}

// wake ends the pending read of every connection, so that it looks at the
// flags, which must be set before. A connection in its handshake is left to it,
// or closed when connections end now: it has brought no line yet.
func (s *Server) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		switch {
		case c.reading.Load():
			c.raw.SetReadDeadline(time.Unix(1, 0))
		case s.forced.Load():
			c.raw.Close()
		}
	}
}

// Stats returns the present counters: Received is what was kept plus all of Dropped.
func (s *Server) Stats() Stats { return s.m.stats() }

// Drop counts lines that the handler could not keep; 0 lines make the reason known
// to the metrics before it happens.
func (s *Server) Drop(reason string, lines int) { s.m.drop(reason, lines) }
