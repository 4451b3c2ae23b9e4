// Package sink is a stand-in for Cloud Logging's write API that costs little: it
// does not decode what it is sent, it walks the top-level fields of a request and
// counts entries. (Decoding costs several times what ingest needs for a line, so
// that a measurement would be one of the stand-in.)
//
// With a function that is to see every entry it decodes them all, with the
// official types; that is for checks and not for measurements.
package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Options configure a sink. The zero value counts on a free loopback port.
type Options struct {
	Addr        string           // "" means 127.0.0.1:0
	Certificate *tls.Certificate // serve TLS with it
	Marker      string           // count how often these bytes occur, in entries of any kind; "" does not

	// Entry is called for every entry of every request, several calls at a
	// time. The defaults of the request are filled in. A returned error
	// refuses the request.
	Entry func(*loggingpb.LogEntry) error

	// Until and Reached: Reached is called once, when that many entries have
	// been answered.
	Until   int64
	Reached func(at time.Time)

	// Hold is called before each answer.
	Hold func(context.Context)
}

// Counts is what arrived since the start.
type Counts struct {
	Requests int64 `json:"requests"`
	Entries  int64 `json:"entries"` // duplicates included
	Marked   int64 `json:"marked,omitempty"`
	Bytes    int64 `json:"bytes"`
	Refused  int64 `json:"refused"`  // requests
	First    int64 `json:"first_ns"` // Unix time of the first and the last answer
	Last     int64 `json:"last_ns"`
}

// Sink is a running stand-in.
type Sink struct {
	o    Options
	lis  net.Listener
	grpc *grpc.Server

	requests, entries, marked, bytes, refused, first, last atomic.Int64
}

// Listen binds the address and serves until Close.
func Listen(o Options) (*Sink, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	lis, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Sink{o: o, lis: lis}
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(64 << 20), grpc.ForceServerCodecV2(codec{}),
		grpc.ReadBufferSize(256 << 10), grpc.InitialWindowSize(8 << 20), grpc.InitialConnWindowSize(16 << 20),
	}
	if o.Certificate != nil {
		opts = append(opts, grpc.Creds(credentials.NewServerTLSFromCert(o.Certificate)))
	}
	s.grpc = grpc.NewServer(opts...)
	s.grpc.RegisterService(&grpc.ServiceDesc{
		ServiceName: "google.logging.v2.LoggingServiceV2", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "WriteLogEntries", Handler: write}},
	}, s)
	go s.grpc.Serve(lis)
	return s, nil
}

// Addr is the address it listens on.
func (s *Sink) Addr() string { return s.lis.Addr().String() }

// Close stops it at once; calls under way are broken off.
func (s *Sink) Close() { s.grpc.Stop() }

// Counts is what arrived so far.
func (s *Sink) Counts() Counts {
	return Counts{s.requests.Load(), s.entries.Load(), s.marked.Load(), s.bytes.Load(), s.refused.Load(), s.first.Load(), s.last.Load()}
}

// request is the raw request; the codec fills in what it keeps of it.
type request struct {
	entries int64
	bytes   int64
	whole   bool   // keep raw
	raw     []byte // only when asked for
}

// codec passes messages through: it counts a request and writes an empty answer.
type codec struct{}

var _ encoding.CodecV2 = codec{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(any) (mem.BufferSlice, error) { return nil, nil }

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r := v.(*request)
	r.bytes = int64(data.Len())
	if r.whole {
		r.raw = data.Materialize()
	}
	n, err := countEntries(data)
	r.entries = n
	return err
}

func write(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	s := srv.(*Sink)
	r := &request{whole: s.o.Entry != nil || s.o.Marker != ""}
	if err := decode(r); err != nil {
		s.refused.Add(1)
		return nil, err
	}
	if s.o.Entry != nil {
		if err := s.look(r.raw); err != nil {
			s.refused.Add(1)
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
	}
	if s.o.Hold != nil {
		s.o.Hold(ctx)
	}
	s.count(r)
	return r, nil
}

func (s *Sink) count(r *request) {
	now := time.Now()
	s.requests.Add(1)
	s.bytes.Add(r.bytes)
	if s.o.Marker != "" {
		s.marked.Add(int64(bytes.Count(r.raw, []byte(s.o.Marker))))
	}
	s.first.CompareAndSwap(0, now.UnixNano())
	s.last.Store(now.UnixNano())
	if n := s.entries.Add(r.entries); s.o.Until > 0 && n >= s.o.Until && n-r.entries < s.o.Until {
		s.o.Reached(now)
	}
}

// look decodes a request and shows every entry.
func (s *Sink) look(raw []byte) error {
	var w loggingpb.WriteLogEntriesRequest
	if err := proto.Unmarshal(raw, &w); err != nil {
		return err
	}
	for i, e := range w.Entries {
		if e.LogName == "" {
			e.LogName = w.LogName
		}
		if e.Resource == nil {
			e.Resource = w.Resource
		}
		if err := s.o.Entry(e); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}
