package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/spool"
)

// childEnv makes this test binary play another process instead of testing.
const (
	childEnv = "SPOOL_TEST_CHILD"
	dirEnv   = "SPOOL_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "write":
		exit(writer(os.Getenv(dirEnv)))
	case "hold":
		exit(holder(os.Getenv(dirEnv)))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// writer appends numbers from several goroutines and consumes some of them
// until it is killed. It prints "put N" once N is synced and "got N" before N
// is acknowledged.
func writer(dir string) error {
	s, err := spool.Open(spool.Options{
		Dir: dir, Cursors: []string{"lake"}, SegmentBytes: 32 << 10, SyncInterval: time.Millisecond,
	})
	if err != nil {
		return err
	}
	say := func(line string) { fmt.Println(line) } // one write call: what is said is out
	failed := make(chan error)
	first, _ := strconv.Atoi(os.Getenv("SPOOL_TEST_FIRST"))
	for g := range 3 {
		go func() {
			for i := first + g*1_000_000; ; i += 10 {
				var p [][]byte
				for j := range 10 {
					p = append(p, fmt.Appendf(nil, "%d %s", i+j, strings.Repeat("x", (i+j)%300)))
				}
				if err := s.Append(p); err != nil {
					failed <- err
				}
				if err := s.Sync(); err != nil {
					failed <- err
				}
				for j := range 10 {
					say(fmt.Sprintf("put %d", i+j))
				}
			}
		}()
	}
	go func() {
		c := s.Cursor("lake")
		for i := 0; ; i++ {
			b, err := c.Next(context.Background(), 2000, 0)
			if err != nil {
				failed <- err
				return
			}
			if i%3 == 0 {
				continue // still in flight when the end comes
			}
			for _, it := range b.Items {
				n, _, _ := strings.Cut(string(it.Payload), " ")
				say(fmt.Sprintf("got %s at %d in %d-%d", n, it.Position, b.From, b.To))
			}
			if err := c.Ack(b); err != nil {
				failed <- err
			}
		}
	}()
	return <-failed
}

// holder opens the spool and keeps it until its input ends.
func holder(dir string) error {
	s, err := spool.Open(spool.Options{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

// child starts this binary in a role.
func child(t *testing.T, role, dir string, env ...string) (*exec.Cmd, *bufio.Scanner, io.Closer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), append(env, childEnv+"="+role, dirEnv+"="+dir)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out), in
}

func TestKilledInTheMiddleNothingSyncedIsLost(t *testing.T) {
	dir := t.TempDir()
	synced := map[int]bool{}      // what the writers were told is durable
	acked := map[int]bool{}       // what was handed over, perhaps acknowledged
	at := map[uint64]int{}        // which record was seen at a position
	bounds := map[uint64]uint64{} // batches seen, by their start
	see := func(n int, pos, from, to uint64) {
		t.Helper()
		if m, ok := at[pos]; ok && m != n {
			t.Fatalf("position %x was given to %d and to %d", pos, m, n)
		}
		if end, ok := bounds[from]; ok && end != to {
			t.Fatalf("the batch from %x ended at %x and comes again ending at %x", from, end, to)
		}
		at[pos], bounds[from] = n, to
	}
	for life := range 6 {
		cmd, out, _ := child(t, "write", dir, fmt.Sprintf("SPOOL_TEST_FIRST=%d", life*100_000))
		for lines := 0; out.Scan(); lines++ {
			if lines == 1500+life*777 {
				if err := cmd.Process.Kill(); err != nil { // SIGKILL
					t.Fatal(err)
				}
			}
			var n int
			var pos, from, to uint64
			if _, err := fmt.Sscanf(out.Text(), "put %d", &n); err == nil {
				synced[n] = true
			} else if _, err := fmt.Sscanf(out.Text(), "got %d at %d in %d-%d", &n, &pos, &from, &to); err == nil {
				acked[n] = true
				see(n, pos, from, to)
			}
		}
		_ = cmd.Wait() // says "killed"
	}
	s := start(t, dir, nil)
	c := s.Cursor("lake")
	there := map[int]bool{}
	for s.Stats().Pending["lake"] > 0 {
		b := next(t, c, 1<<20)
		for _, it := range b.Items {
			text, fill, _ := strings.Cut(string(it.Payload), " ")
			n, err := strconv.Atoi(text)
			if err != nil || fill != strings.Repeat("x", n%300) {
				t.Fatalf("a payload was changed: %.60q", it.Payload)
			}
			see(n, it.Position, b.From, b.To)
			there[n] = true
		}
		ack(t, c, b)
	}
	lost := 0
	for n := range synced {
		if !there[n] && !acked[n] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d synced records are lost", lost, len(synced))
	}
	if len(synced) < 1000 || len(acked) < 1000 || len(there) < 100 {
		t.Errorf("too little happened: %d synced, %d consumed, %d left", len(synced), len(acked), len(there))
	}
	if st := s.Stats(); st.Damaged != 0 || st.Lost != 0 {
		t.Errorf("a kill is no damage: %d segments, %d records", st.Damaged, st.Lost)
	}
}

func TestASecondProcessIsToldWhoHoldsTheSpool(t *testing.T) {
	dir := t.TempDir()
	cmd, out, in := child(t, "hold", dir)
	if !out.Scan() || out.Text() != "open" {
		t.Fatalf("the other process says %q", out.Text())
	}
	_, err := spool.Open(spool.Options{Dir: dir})
	if !errors.Is(err, spool.ErrLocked) {
		t.Fatalf("opened twice: %v", err)
	}
	for _, want := range []string{dir, strconv.Itoa(cmd.Process.Pid)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	put(t, start(t, dir, nil), "free again")
}

func TestTheSameProcessCannotOpenItTwiceEither(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	if _, err := spool.Open(spool.Options{Dir: dir}); !errors.Is(err, spool.ErrLocked) {
		t.Fatalf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, start(t, dir, nil), "free again")
}
