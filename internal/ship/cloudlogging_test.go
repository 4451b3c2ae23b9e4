package ship_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/genproto/googleapis/api/monitoredres"
	"google.golang.org/grpc/codes"

	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

// requests are n different records.
func requests(n int) []record.Record {
	rs := make([]record.Record, n)
	for p := range rs {
		rs[p] = request()
		rs[p].Position, rs[p].Path = position(p), fmt.Sprintf("/item/%d", p)
	}
	return rs
}

// batchOf is a batch of n requests.
func batchOf(n int) *ship.Batch { return batch(requests(n)...) }

func failure(t *testing.T, err error) *ship.Failure {
	t.Helper()
	var f *ship.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v has no class", err)
	}
	return f
}

// Every row of the table of codes.
func TestEachCodeHasItsClass(t *testing.T) {
	for _, c := range []struct {
		code  codes.Code
		class ship.Class
	}{
		{codes.Unavailable, ship.Temporary},
		{codes.DeadlineExceeded, ship.Temporary},
		{codes.Internal, ship.Temporary},
		{codes.Aborted, ship.Temporary},
		{codes.Canceled, ship.Temporary},
		{codes.Unknown, ship.Temporary},
		{codes.DataLoss, ship.Temporary},
		{codes.ResourceExhausted, ship.Throttled},
		{codes.Unauthenticated, ship.Configuration},
		{codes.PermissionDenied, ship.Configuration},
		{codes.NotFound, ship.Configuration},
		{codes.FailedPrecondition, ship.Configuration},
		{codes.Unimplemented, ship.Configuration},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			srv := shiptest.Start(t)
			srv.Fail(c.code, 1)
			sink := cloud(t, srv)
			refused, err := sink.Write(deadline(t), batchOf(3))
			f := failure(t, err)
			if f.Class != c.class || f.Code != c.code.String() || len(refused) > 0 {
				t.Errorf("class %s, code %s, refused %v; want %s, %s, none", f.Class, f.Code, refused, c.class, c.code)
			}
			if got := srv.Calls(); got != 1 {
				t.Errorf("%d calls: somebody repeats them behind our back", got)
			}
			if refused, err := sink.Write(deadline(t), batchOf(3)); err != nil || len(refused) > 0 || srv.Count(logID) != 3 {
				t.Errorf("then: refused %v, error %v, %d entries; want 3", refused, err, srv.Count(logID))
			}
		})
	}
}

func TestACallThatHangsIsGivenUpAndRepeatedLater(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Hang()
	sink := cloud(t, srv, func(o *ship.CloudLoggingOptions) { o.Timeout = 30 * time.Millisecond })
	_, err := sink.Write(deadline(t), batchOf(1))
	if f := failure(t, err); f.Class != ship.Temporary {
		t.Errorf("class %s of %v, want temporary", f.Class, err)
	}
}

func TestAnEndpointThatIsNotThereIsTemporary(t *testing.T) {
	srv := shiptest.Start(t)
	sink := cloud(t, srv)
	srv.Close()
	_, err := sink.Write(deadline(t), batchOf(1))
	if f := failure(t, err); f.Class != ship.Temporary {
		t.Errorf("class %s of %v, want temporary", f.Class, err)
	}
}

func TestAConnectionThatIsResetIsTemporaryAndComesBack(t *testing.T) {
	srv := shiptest.Start(t)
	sink := cloud(t, srv)
	srv.Hang()
	done := make(chan error, 1)
	go func() {
		_, err := sink.Write(context.Background(), batchOf(1))
		done <- err
	}()
	if err := srv.Await(deadline(t), func() bool { return srv.Waiting() == 1 }); err != nil {
		t.Fatal(err)
	}
	srv.Reset()
	if f := failure(t, <-done); f.Class != ship.Temporary {
		t.Errorf("class %s of %v, want temporary", f.Class, f.Err)
	}
	srv.Release()
	// The other connections were reset, too; each may say so once.
	var err error
	for range 3 {
		if _, err = sink.Write(deadline(t), batchOf(1)); err == nil {
			return
		}
	}
	t.Errorf("after the reset: %v", err)
}

func TestAnAnswerThatIsLostDoublesNothing(t *testing.T) {
	srv := shiptest.Start(t)
	srv.LoseAnswers(1)
	sink := cloud(t, srv)
	if _, err := sink.Write(deadline(t), batchOf(5)); err == nil {
		t.Fatal("the lost answer is no error")
	}
	if _, err := sink.Write(deadline(t), batchOf(5)); err != nil {
		t.Fatal(err)
	}
	if srv.Written() != 10 || srv.Count(logID) != 5 {
		t.Errorf("%d written, %d different; want 10 and 5", srv.Written(), srv.Count(logID))
	}
}

// poison refuses the entries whose path ends in one of the numbers.
func poison(numbers ...int) func(*loggingpb.LogEntry) codes.Code {
	return func(e *loggingpb.LogEntry) codes.Code {
		for _, n := range numbers {
			if e.GetJsonPayload().GetFields()["path"].GetStringValue() == fmt.Sprintf("/item/%d", n) {
				return codes.InvalidArgument
			}
		}
		return codes.OK
	}
}

func indexes(refused []ship.Refusal) []int {
	var is []int
	for _, r := range refused {
		is = append(is, r.Index)
	}
	slices.Sort(is)
	return is
}

func TestExactlyTheEntriesAtFaultAreRefused(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, c := range []struct {
			n   int
			bad []int
		}{
			{1, []int{0}}, {10, []int{3}}, {10, []int{0, 9}}, {100, []int{17, 18, 64}}, {4, []int{0, 1, 2, 3}}, {1000, []int{999}},
		} {
			t.Run(fmt.Sprintf("%v of %d, silent %v", c.bad, c.n, silent), func(t *testing.T) {
				srv := shiptest.Start(t)
				srv.Refuse(poison(c.bad...))
				srv.Silent(silent)
				refused, err := cloud(t, srv).Write(deadline(t), batchOf(c.n))
				if err != nil {
					t.Fatal(err)
				}
				if got := indexes(refused); !slices.Equal(got, c.bad) {
					t.Errorf("refused %v, want %v", got, c.bad)
				}
				for _, r := range refused {
					if !strings.HasPrefix(r.Reason, "InvalidArgument: asked to") {
						t.Errorf("reason %q does not say why", r.Reason)
					}
				}
				if got := srv.Count(logID); got != c.n-len(c.bad) {
					t.Errorf("%d entries stored, want %d", got, c.n-len(c.bad))
				}
				// Otherwise two calls for each halving of each, one probe, and one
				// question for names.
				most := 1
				if silent || len(c.bad) == c.n {
					most = 3 + 2*len(c.bad)*bits.Len(uint(c.n))
				}
				if got := srv.Calls(); got > most {
					t.Errorf("%d calls, want at most %d", got, most)
				}
			})
		}
	}
}

// The API lists nothing when it stores nothing; once it has taken an entry it
// can be made to store that one again.
func TestABatchRefusedEntirelyIsNotPaidForLineByLine(t *testing.T) {
	srv := shiptest.Start(t)
	sink := cloud(t, srv)
	if _, err := sink.Write(deadline(t), batchOf(1)); err != nil {
		t.Fatal(err)
	}
	srv.Refuse(func(e *loggingpb.LogEntry) codes.Code {
		if e.GetJsonPayload() != nil && e.InsertId != position(0) {
			return codes.InvalidArgument
		}
		return codes.OK
	})
	b := batch(requests(1001)[1:]...)
	before := srv.Calls()
	refused, err := sink.Write(deadline(t), b)
	if err != nil || len(refused) != 1000 {
		t.Fatalf("%d refused, error %v; want all 1000", len(refused), err)
	}
	if got := srv.Calls() - before; got != 3 {
		t.Errorf("%d calls; want the batch, a probe, and the batch with a known entry", got)
	}
	if srv.Count(logID) != 1 {
		t.Errorf("%d entries stored, want the known one, once", srv.Count(logID))
	}
}

func TestAFailureInTheMiddleOfTheSearchKeepsTheWholeBatch(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Refuse(poison(3))
	srv.Silent(true)
	srv.Fail(codes.OK, 3)
	srv.Fail(codes.Unavailable, 1)
	sink := cloud(t, srv)
	refused, err := sink.Write(deadline(t), batchOf(8))
	if f := failure(t, err); f.Class != ship.Temporary || len(refused) > 0 {
		t.Errorf("class %s, refused %v; want temporary and none", f.Class, refused)
	}
	refused, err = sink.Write(deadline(t), batchOf(8))
	if err != nil || !slices.Equal(indexes(refused), []int{3}) || srv.Count(logID) != 7 {
		t.Errorf("then: error %v, refused %v, %d stored; want the third refused and seven stored", err, refused, srv.Count(logID))
	}
}

// PermissionDenied on single entries is a missing grant, not a bad line.
func TestAPermissionMissingForSomeEntriesIsConfiguration(t *testing.T) {
	srv := shiptest.Start(t)
	srv.Refuse(func(e *loggingpb.LogEntry) codes.Code {
		if strings.HasSuffix(e.LogName, ship.HeartbeatSuffix) {
			return codes.PermissionDenied
		}
		return codes.OK
	})
	rs := requests(3)
	rs[1] = record.Record{Kind: record.KindHeartbeat, Extra: "{}", Position: position(1)}
	refused, err := cloud(t, srv).Write(deadline(t), batch(rs...))
	if f := failure(t, err); f.Class != ship.Configuration || len(refused) > 0 {
		t.Errorf("class %s, refused %v; want configuration and none", f.Class, refused)
	}
}

// When the API would refuse anything, no line may become a dead letter for it.
func TestAWrongResourceOrClockIsConfigurationNotADeadLetter(t *testing.T) {
	for name, c := range map[string]struct {
		server shiptest.Options
		change func(*ship.CloudLoggingOptions)
		n      int
	}{
		"no resource type":              {shiptest.Options{}, func(o *ship.CloudLoggingOptions) { o.Resource = &monitoredres.MonitoredResource{} }, 10},
		"no resource type, single line": {shiptest.Options{}, func(o *ship.CloudLoggingOptions) { o.Resource = &monitoredres.MonitoredResource{} }, 1},
		"a clock two days ahead": {shiptest.Options{Now: func() time.Time { return received.Add(-48 * time.Hour) }},
			func(o *ship.CloudLoggingOptions) { o.Now = func() time.Time { return received.Add(time.Minute) } }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			srv := shiptest.StartWith(t, c.server)
			refused, err := cloud(t, srv, c.change).Write(deadline(t), batchOf(c.n))
			f := failure(t, err)
			if f.Class != ship.Configuration || len(refused) > 0 {
				t.Errorf("class %s, refused %v; want configuration and none", f.Class, refused)
			}
			if !strings.Contains(f.Error(), "check project, log id, resource and this machine's clock") {
				t.Errorf("error %q does not say what to do", f)
			}
			if srv.Written() != 0 {
				t.Errorf("%d entries written by a probe", srv.Written())
			}
		})
	}
}

func TestALargeBatchIsSplitByBytes(t *testing.T) {
	srv := shiptest.Start(t)
	rs := requests(150)
	for i := range rs {
		rs[i].Extra = strings.Repeat("x", 200<<10) // 30 MB in all; the stand-in refuses more than 10 at once
	}
	refused, err := cloud(t, srv).Write(deadline(t), batch(rs...))
	if err != nil || len(refused) > 0 {
		t.Fatalf("refused %v, error %v", refused, err)
	}
	if srv.Count(logID) != 150 || srv.Calls() != 4 {
		t.Errorf("%d entries in %d calls, want 150 in 4", srv.Count(logID), srv.Calls())
	}
}

// authority makes a certificate for the loopback address, and a file that
// trusts it.
func authority(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// No credentials are found here, and none are needed: an endpoint that is not
// Google's must not see any.
func TestAnEndpointWithAnAuthorityOfItsOwnIsVerified(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	cert, ca := authority(t)
	_, otherCA := authority(t)
	srv := shiptest.StartWith(t, shiptest.Options{Certificate: &cert})
	with := func(file string) func(*ship.CloudLoggingOptions) {
		return func(o *ship.CloudLoggingOptions) { o.Insecure, o.CAFile = false, file }
	}
	if _, err := cloud(t, srv, with(ca)).Write(deadline(t), batchOf(2)); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	_, err := cloud(t, srv, with(otherCA)).Write(deadline(t), batchOf(2))
	if f := failure(t, err); f.Class != ship.Configuration || f.Code != "TLS" {
		t.Errorf("with another authority: class %s, code %s of %v; want configuration, TLS", f.Class, f.Code, err)
	}
	if srv.Count(logID) != 2 {
		t.Errorf("%d entries, want the two of the verified connection", srv.Count(logID))
	}
}

func TestACAFileThatIsNoneIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{file, file + ".missing"} {
		_, err := ship.NewCloudLogging(context.Background(), ship.CloudLoggingOptions{Project: project, LogID: logID, Endpoint: "127.0.0.1:1", CAFile: f})
		if err == nil || !strings.Contains(err.Error(), f) {
			t.Errorf("error %v, want one that names %s", err, f)
		}
	}
}

func TestAWriteThatIsCancelledIsNoFailureOfTheAPI(t *testing.T) {
	srv := shiptest.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := cloud(t, srv).Write(ctx, batchOf(1))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that is context.Canceled", err)
	}
}
