package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"edgewarden/internal/cli/clitest"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/ship"
	"edgewarden/internal/spool"
)

// TestMain lets the test binary be the program, so that tests can kill it and scripts can call it.
func TestMain(m *testing.M) {
	if os.Getenv("EDGEWARDEN_TEST_BE_INGEST") != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){"ingest": clitest.Program(run, scrub, nil)})
}

// child is the program in a process of its own.
type child struct {
	cmd    *exec.Cmd
	stderr *output
	server
}

func startChild(t *testing.T, dir string, args ...string) *child {
	t.Helper()
	c := &child{stderr: newOutput()}
	c.server = server{stderr: c.stderr, spool: filepath.Join(dir, "spool"), lake: filepath.Join(dir, "lake")}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(exe, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--spool", c.spool, "--lake", c.lake,
		"--lake-age", "20ms", "--spool-sync", "5ms", "--drain", "0s"}, args...)...)
	c.cmd.Env = append(os.Environ(), "EDGEWARDEN_TEST_BE_INGEST=1")
	c.cmd.Stderr = c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait() })
	c.addr = c.stderr.wait(t, `msg="listening" addr=(\S+)`, 1)
	c.admin = c.stderr.wait(t, `msg="admin listening" addr=(\S+)`, 1)
	return c
}

// end waits for the process and returns its exit code.
func (c *child) end(t *testing.T) int {
	t.Helper()
	done := make(chan struct{})
	go func() { c.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("the process does not end:\n%s", c.stderr)
	}
	return c.cmd.ProcessState.ExitCode()
}

// written returns the request ids of every line that stands in the spool.
func written(t *testing.T, dir string) (ids []string) {
	t.Helper()
	p := parse.New()
	err := spool.Dump(dir, func(it spool.Item) error {
		e, err := ship.DecodeEnvelope(it.Payload)
		if err != nil {
			return err
		}
		var r record.Record
		p.Parse(e.Line, parse.Meta{}, &r)
		if !e.Heartbeat && !e.Unterminated {
			ids = append(ids, r.RequestID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestKillingTheProcessLosesAndDoublesNothingThatWasWritten(t *testing.T) {
	dir := t.TempDir()
	kept := map[string]bool{} // what must be in the lake at the end
	for round := range 4 {
		c := startChild(t, dir)
		var sent atomic.Int64
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			conn, err := net.Dial("tcp", c.addr)
			if err != nil {
				return
			}
			defer conn.Close()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for i := 0; ; i++ {
				if i%50 == 0 {
					<-tick.C
				}
				if _, err := io.WriteString(conn, classic("", fmt.Sprintf("%d-%d", round, i))); err != nil {
					return
				}
				sent.Add(1)
			}
		}()
		// In the middle of the stream: some lines are in the lake, more are on their way.
		c.until(t, "edgewarden_ingest_received_lines_total", int64(1500*(round+1)))
		c.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, 1)
		if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		c.end(t)
		<-gone
		n := len(kept)
		for _, r := range lines(rows(t, c.lake)) {
			kept[r.RequestID] = true
		}
		for _, id := range written(t, c.spool) {
			kept[id] = true
		}
		t.Logf("round %d: %d lines sent, %d written", round, sent.Load(), len(kept)-n)
	}
	c := startChild(t, dir)
	eventually(t, "an empty queue", func() bool { return c.metric(t, "edgewarden_ingest_queued_records") == 0 })
	c.identity(t, "lake")
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := c.end(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.stderr)
	}
	stored := map[string]int{}
	for _, r := range lines(rows(t, c.lake)) {
		stored[r.RequestID]++
	}
	delete(kept, "")
	for id := range kept {
		if stored[id] == 0 {
			t.Errorf("line %s was written to the spool and is not in the lake", id)
		}
	}
	delete(stored, "") // lines that the kill cut in half carry no id
	for id, n := range stored {
		if n > 1 {
			t.Errorf("line %s is in the lake %d times", id, n)
		}
		if !kept[id] {
			t.Errorf("line %s came from nowhere", id)
		}
	}
}

func TestASecondSignalSkipsTheDrainPeriod(t *testing.T) {
	c := startChild(t, t.TempDir(), "--drain", "1h")
	for i, said := range []string{"msg=(stopping)", "(skipping the drain period)"} {
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c.stderr.wait(t, said, 1)
		if i == 0 {
			send(t, dial(t, c.addr), classic("", "still accepted"))
			c.until(t, "edgewarden_ingest_received_lines_total", 1)
		}
	}
	if code := c.end(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.stderr)
	}
	if n := len(lines(rows(t, c.lake))); n != 1 {
		t.Errorf("%d lines stored, want 1", n)
	}
}
