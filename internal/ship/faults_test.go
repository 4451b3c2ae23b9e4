package ship_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"golang.org/x/oauth2"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"

	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

// fault is what the stand-in does while lines are shipped. It begins before the
// first of them; end, if any, is called when the shipper has met it.
type fault struct {
	name  string
	begin func(*shiptest.Server)
	met   func(*shiptest.Server) bool
	end   func(*shiptest.Server)
	bad   []int // lines that are refused for good
}

// faults are all that the stand-in can do.
func faults() []fault {
	var all []fault
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if code == codes.InvalidArgument {
			continue // a fault of lines, below
		}
		all = append(all, fault{name: "code " + code.String(), begin: func(s *shiptest.Server) { s.Fail(code, 7) }})
	}
	waiting := func(s *shiptest.Server) bool { return s.Waiting() > 0 }
	return append(all,
		fault{name: "nothing", begin: func(*shiptest.Server) {}},
		fault{name: "codes in turn", begin: func(s *shiptest.Server) {
			for range 3 {
				for _, c := range []codes.Code{codes.Unavailable, codes.OK, codes.ResourceExhausted, codes.OK, codes.Internal, codes.PermissionDenied} {
					s.Fail(c, 1)
				}
			}
		}},
		fault{name: "delay", begin: func(s *shiptest.Server) { s.Delay(3 * time.Millisecond) }},
		fault{name: "delay beyond the deadline", begin: func(s *shiptest.Server) { s.Delay(time.Hour) },
			met: func(s *shiptest.Server) bool { return s.Calls() > 3 }, end: func(s *shiptest.Server) { s.Delay(0) }},
		fault{name: "hang", begin: (*shiptest.Server).Hang, met: func(s *shiptest.Server) bool { return s.Calls() > 3 }, end: (*shiptest.Server).Release},
		fault{name: "reset", begin: (*shiptest.Server).Hang, met: waiting, end: func(s *shiptest.Server) { s.Reset(); s.Release() }},
		fault{name: "lost answers", begin: func(s *shiptest.Server) { s.LoseAnswers(9) }},
		fault{name: "lines refused one by one", begin: func(s *shiptest.Server) { s.Refuse(poison(0, 17, 18, 250)) }, bad: []int{0, 17, 18, 250}},
		fault{name: "lines refused without a word which", begin: func(s *shiptest.Server) { s.Silent(true); s.Refuse(poison(3, 299)) }, bad: []int{3, 299}},
		fault{name: "lines refused among failures", begin: func(s *shiptest.Server) {
			s.Refuse(poison(42, 43))
			s.Silent(true)
			s.LoseAnswers(3)
			for range 4 {
				s.Fail(codes.OK, 2)
				s.Fail(codes.Unavailable, 1)
			}
		}, bad: []int{42, 43}},
	)
}

// Under each fault: no line is missing, none is there twice, and all are
// accounted for; through the spool on disk, the shipper and the library's
// client, with several calls in flight.
func TestUnderEachFaultNothingIsMissingAndNothingDoubled(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			srv := shiptest.Start(t)
			f.begin(srv)
			sink := cloud(t, srv, func(o *ship.CloudLoggingOptions) { o.Timeout = 200 * time.Millisecond })
			shipAll(t, srv, sink, f)
		})
	}
}

// shipAll ships lines while the fault lasts, and checks what has become of them.
func shipAll(t *testing.T, srv *shiptest.Server, sink ship.Sink, f fault) {
	t.Helper()
	const n = 300
	dead := filepath.Join(t.TempDir(), "dead")
	s := openSpool(t, t.TempDir())
	r := start(t, s, sink, func(o *ship.Options) { o.InFlight, o.MaxBytes, o.DeadLetters = 4, 5000, dead })
	fill(t, s, 0, n)
	if f.met != nil {
		await(t, srv, "the fault is met", func() bool { return f.met(srv) })
		f.end(srv)
	}
	r.drain(t)
	seen := make(map[string]int)
	for _, e := range srv.Log(logID) {
		seen[e.GetJsonPayload().GetFields()["path"].GetStringValue()]++
	}
	for i := range n {
		want := 1
		if slices.Contains(f.bad, i) {
			want = 0
		}
		if got := seen[fmt.Sprintf("/item/%d", i)]; got != want {
			t.Errorf("line %d is there %d times, want %d", i, got, want)
		}
	}
	st := r.Stats()
	if st.Shipped != int64(n-len(f.bad)) || len(letters(t, dead)) != len(f.bad) || st.Failing != "" {
		t.Errorf("stats %+v, %d dead letters; want %d of the latter, the rest shipped, and nothing failing", st, len(letters(t, dead)), len(f.bad))
	}
	identity(t, st, pending(s, ship.CloudLoggingName), n)
}

// tokens hands out the tokens of one hour after the other.
type tokens struct{ hour, asked atomic.Int64 }

func (k *tokens) Token() (*oauth2.Token, error) {
	k.asked.Add(1)
	return &oauth2.Token{AccessToken: fmt.Sprintf("hour-%d", k.hour.Load()), TokenType: "Bearer", Expiry: time.Now().Add(time.Hour)}, nil
}

// A token that expires between two calls: the lines wait, and go on with the
// next one.
func TestWithATokenThatExpiresNothingIsMissingAndNothingDoubled(t *testing.T) {
	cert, ca := authority(t)
	srv := shiptest.StartWith(t, shiptest.Options{Certificate: &cert})
	srv.Tokens("hour-1")
	var source tokens
	sink := cloud(t, srv, func(o *ship.CloudLoggingOptions) {
		o.Insecure, o.CAFile = false, ca
		o.ClientOptions = []option.ClientOption{option.WithTokenSource(&source)}
	})
	_, err := sink.Write(deadline(t), batchOf(1))
	if f := failure(t, err); f.Class != ship.Configuration || f.Code != "Unauthenticated" {
		t.Errorf("with the token of the hour before: class %s, code %s of %v", f.Class, f.Code, err)
	}
	shipAll(t, srv, sink, fault{
		met: func(s *shiptest.Server) bool { return s.Calls() > 5 },
		end: func(*shiptest.Server) { source.hour.Store(1) },
	})
	if source.asked.Load() == 0 {
		t.Error("nobody asked for a token")
	}
}

// Nothing of a token may be in an error, which goes to the log.
func TestATokenIsInNoError(t *testing.T) {
	cert, ca := authority(t)
	srv := shiptest.StartWith(t, shiptest.Options{Certificate: &cert})
	srv.Tokens("another")
	var source tokens
	sink := cloud(t, srv, func(o *ship.CloudLoggingOptions) {
		o.Insecure, o.CAFile = false, ca
		o.ClientOptions = []option.ClientOption{option.WithTokenSource(&source)}
	})
	if _, err := sink.Write(deadline(t), batchOf(1)); err == nil || strings.Contains(err.Error(), "hour-0") {
		t.Errorf("error %v, want one without the token", err)
	}
}

// A batch that the API never takes, with a failure that may pass, holds up its
// own worker alone.
func TestABatchThatAlwaysFailsDoesNotHoldUpTheOthers(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Refuse(func(e *loggingpb.LogEntry) codes.Code {
		if poison(5)(e) != codes.OK {
			return codes.Internal
		}
		return codes.OK
	})
	srv.Silent(true)
	s := openSpool(t, t.TempDir())
	var log lockedBuffer
	r := start(t, s, cloud(t, srv), func(o *ship.Options) {
		o.InFlight, o.MaxBytes, o.Logger = 2, 1, slog.New(slog.NewTextHandler(&log, nil))
	})
	fill(t, s, 0, 200)
	await(t, srv, "all others are there", func() bool { return srv.Count(logID) == 199 })
	fill(t, s, 200, 200)
	await(t, srv, "those that came later, too", func() bool { return srv.Count(logID) == 399 })
	srv.Refuse(nil)
	r.drain(t)
	if st := r.Stats(); st.Shipped != 400 || st.DeadLettered != 0 {
		t.Errorf("stats %+v, want all shipped in the end", st)
	}
	if n := strings.Count(log.String(), "one batch keeps failing"); n > 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}
