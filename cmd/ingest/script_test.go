package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"edgewarden/internal/cli/clitest"
	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/spool"
)

// TestScripts runs testdata/script. A script finds, as a variable, SPOOL: a spool of its own with four records that the lake has
// and Cloud Logging has not. What differs from call to call is scrubbed: see scrub. `go test ./cmd/ingest -run Scripts -update` writes what the program says now; read the difference.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": clitest.Code, "damage": damage},
		Setup: func(env *testscript.Env) error {
			dir := filepath.Join(env.WorkDir, "spool")
			env.Setenv("SPOOL", dir)
			env.Setenv("SCRUB", env.WorkDir)
			return scriptSpool(dir)
		},
	})
}

// scriptSpool writes a spool as serve leaves it, but at a time of its own: two lines, one that is no UTF-8, and a heartbeat.
func scriptSpool(dir string) error {
	s, err := spool.Open(spool.Options{Dir: dir, Cursors: []string{"cloudlogging", "lake"}})
	if err != nil {
		return err
	}
	at := time.Date(2031, 5, 6, 7, 30, 0, 0, time.UTC)
	line := `{"timestamp":"2031-05-06T07:29:59.5Z","service_id":"SVC1","client_ip":"203.0.113.9","method":"GET","path":"/<p>","status":200}`
	payloads := [][]byte{}
	for i, e := range []ship.Envelope{
		{Sender: record.SenderToken, Line: []byte(line)},
		{Sender: record.SenderMTLS, ServiceID: "SVC1", Length: 70000, Cut: true, Unterminated: true, Line: []byte("\x1b[31mred")},
		{Sender: record.SenderNone, Line: []byte("caf\xe9")},
		{Sender: record.SenderNone, Heartbeat: true, Line: []byte(`{"received":3}`)},
	} {
		e.Received = at.Add(time.Duration(i) * time.Second)
		if !e.Heartbeat {
			e.Conn, e.Remote = 1, netip.MustParseAddrPort("198.51.100.7:40000")
		}
		payloads = append(payloads, e.Append(nil))
	}
	if err := errors.Join(s.Append(payloads), s.Sync()); err != nil {
		return errors.Join(err, s.Close())
	}
	return errors.Join(shipped(s.Cursor("lake")), s.Close())
}

// shipped takes all there is from a cursor, as a sink that has stored it.
func shipped(c *spool.Cursor) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := c.Next(ctx, 1<<20, 0)
	if err != nil {
		return err
	}
	return c.Ack(b)
}

// damage turns a byte in the middle of a spool's first segment: damage $SPOOL.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DIR")
	}
	segments, err := filepath.Glob(filepath.Join(args[0], "*.seg"))
	if err != nil || len(segments) == 0 {
		ts.Fatalf("no segment in %s (%v)", args[0], err)
	}
	b, err := os.ReadFile(segments[0])
	ts.Check(err)
	b[len(b)/2] ^= 0xff
	ts.Check(os.WriteFile(segments[0], b, 0o600))
}

// scrub takes out what differs from call to call: the script's folder and this machine's clock.
func scrub(s string) string {
	return clitest.Clock(strings.ReplaceAll(s, os.Getenv("SCRUB"), "$WORK"))
}
