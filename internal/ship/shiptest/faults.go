package shiptest

import (
	"context"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// faults is what the server does wrong on purpose.
type faults struct {
	next   []codes.Code // one for each of the next calls; OK lets it through
	always codes.Code   // for every call after those; OK is none
	refuse func(*loggingpb.LogEntry) codes.Code
	silent bool // refusals come without details
	hang   bool
	lose   int // calls that are carried out and then answered with Unavailable
	delay  time.Duration
	tokens []string // nil takes any caller
}

// Fail answers the next n calls with a code, after those that were queued
// before. n < 0 answers every call so, until it is called with n = 0.
func (s *Server) Fail(code codes.Code, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n < 0:
		s.faults.always = code
	case n == 0:
		s.faults.always, s.faults.next = codes.OK, nil
	}
	for range n {
		s.faults.next = append(s.faults.next, code)
	}
}

// Refuse judges every entry: one for which fn returns another code than OK is
// refused with it. nil refuses none.
func (s *Server) Refuse(fn func(*loggingpb.LogEntry) codes.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.refuse = fn
}

// Silent has refusals of entries come without details: the whole request is
// refused, and the answer does not say which entry is at fault.
func (s *Server) Silent(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.silent = on
}

// LoseAnswers carries the next n calls out and then answers Unavailable, as if
// the connection had broken after the write.
func (s *Server) LoseAnswers(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.lose = n
}

// Delay waits before each call is carried out.
func (s *Server) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.delay = d
}

// Tokens has calls answered with Unauthenticated unless they carry one of these
// access tokens; with none, every call is. Calling it again expires the tokens
// it took before.
func (s *Server) Tokens(valid ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.tokens = append([]string{}, valid...)
}

// authenticate refuses a call without a valid token.
func (s *Server) authenticate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.tokens == nil {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	for _, h := range md.Get("authorization") {
		if token, ok := strings.CutPrefix(h, "Bearer "); ok && slices.Contains(s.faults.tokens, token) {
			return nil
		}
	}
	return status.Error(codes.Unauthenticated, "Request had invalid authentication credentials.")
}

// Hang keeps every call waiting until Release or until its caller gives up.
func (s *Server) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.hang = true
}

// Release lets the calls that hang go on.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.hang = false
	s.signal()
}

// signal wakes what waits for a change. s.mu is held.
func (s *Server) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Await waits until cond is true of the server, which it is asked after every
// call; it returns ctx's error when that ends first.
func (s *Server) Await(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// fault counts a call and does to it what was asked for.
func (s *Server) fault(ctx context.Context, req *loggingpb.WriteLogEntriesRequest) error {
	s.mu.Lock()
	s.calls++
	code := s.faults.always
	if len(s.faults.next) > 0 {
		code = s.faults.next[0]
		s.faults.next = s.faults.next[1:]
	}
	delay := s.faults.delay
	s.signal()
	s.mu.Unlock()
	if err := s.hang(ctx); err != nil {
		return err
	}
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-t.C:
		}
	}
	if code != codes.OK {
		return status.Errorf(code, "asked to fail with %s", code)
	}
	return s.authenticate(ctx)
}

func (s *Server) hang(ctx context.Context) error {
	s.mu.Lock()
	s.waiting++
	s.signal()
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.waiting--
		s.signal()
		s.mu.Unlock()
	}()
	for {
		s.mu.Lock()
		hang, changed := s.faults.hang, s.changed
		s.mu.Unlock()
		if !hang {
			return nil
		}
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-changed:
		}
	}
}

// afterwards loses the answer of a call that was carried out.
func (s *Server) afterwards(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.lose > 0 {
		s.faults.lose--
		return status.Error(codes.Unavailable, "asked to lose the answer")
	}
	return nil
}
