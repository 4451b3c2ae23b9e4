package shiptest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Options configure a [Server]. The zero value listens on a free loopback
// port without TLS and keeps every entry.
type Options struct {
	Addr        string           // "" means 127.0.0.1:0
	Certificate *tls.Certificate // serve TLS with it
	CountOnly   bool             // keep counts and keys of entries, not the entries: for long runs
	Now         func() time.Time // what is far in the future is judged by; nil means time.Now
}

// Server is the stand-in. Its methods are safe for concurrent use.
type Server struct {
	loggingpb.UnimplementedLoggingServiceV2Server
	o    Options
	lis  *listener
	grpc *grpc.Server

	mu      sync.Mutex // guards what follows
	store   store
	faults  faults
	calls   int
	waiting int // calls that hang now
	changed chan struct{}
}

// TB is the part of testing.TB that Start needs, so that programs can import
// this package without the testing package.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start runs a stand-in with default options until the test ends.
func Start(t TB) *Server {
	t.Helper()
	return StartWith(t, Options{})
}

// StartWith runs a stand-in until the test ends.
func StartWith(t TB, o Options) *Server {
	t.Helper()
	s, err := Listen(o)
	if err != nil {
		t.Fatalf("start Cloud Logging stand-in: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Listen binds the address and serves until Close.
func Listen(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	lis, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{
		o:       o,
		lis:     &listener{Listener: lis, conns: make(map[net.Conn]bool)},
		store:   newStore(o.CountOnly),
		changed: make(chan struct{}),
	}
	// The real API takes 10 MB; one byte more is answered by our own check,
	// with its text, so gRPC's limit is out of the way.
	opts := []grpc.ServerOption{grpc.MaxRecvMsgSize(64 << 20)}
	if o.Certificate != nil {
		opts = append(opts, grpc.Creds(credentials.NewServerTLSFromCert(o.Certificate)))
	}
	s.grpc = grpc.NewServer(opts...)
	loggingpb.RegisterLoggingServiceV2Server(s.grpc, s)
	go s.grpc.Serve(s.lis)
	return s, nil
}

// Addr is the address it listens on.
func (s *Server) Addr() string { return s.lis.Addr().String() }

// Close stops the server at once; calls under way are broken off.
func (s *Server) Close() {
	s.Release()
	s.grpc.Stop()
}

// Reset closes every connection without an answer, as a machine that dies
// does. The server goes on listening.
func (s *Server) Reset() { s.lis.reset() }

// listener remembers its connections, so that they can be reset.
type listener struct {
	net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
}

type conn struct {
	net.Conn
	l *listener
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
	return &conn{c, l}, nil
}

func (c *conn) Close() error {
	c.l.mu.Lock()
	delete(c.l.conns, c.Conn)
	c.l.mu.Unlock()
	return c.Conn.Close()
}

func (l *listener) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0) // RST, not FIN
		}
		c.Close()
	}
}

// WriteLogEntries implements the API's method.
func (s *Server) WriteLogEntries(ctx context.Context, req *loggingpb.WriteLogEntriesRequest) (*loggingpb.WriteLogEntriesResponse, error) {
	if err := s.fault(ctx, req); err != nil {
		return nil, err
	}
	if err := s.write(req); err != nil {
		return nil, err
	}
	return &loggingpb.WriteLogEntriesResponse{}, s.afterwards(ctx)
}
