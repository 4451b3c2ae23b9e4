package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/ledger"
)

func open(t *testing.T, path string) ledger.Store {
	t.Helper()
	s, err := ledger.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func all(t *testing.T, s ledger.Store) []ledger.Event {
	t.Helper()
	es, err := s.Since(context.Background(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return es
}

func TestWhatIsAppendedIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	want := events(t, "run1", 3)
	if err := open(t, path).Append(context.Background(), want); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if diff := cmp.Diff(want, all(t, s)); diff != "" {
		t.Error(diff)
	}
	got, err := s.Since(context.Background(), now.Add(time.Second)) // what the event was stamped with, in nanoseconds
	if err != nil || len(got) != 2 {
		t.Errorf("since the second: %d events, %v", len(got), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestHostileTextSurvivesWithItsHash(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ledger.jsonl"))
	c := ledger.NewChain(s, "run1", "a\xff\nb", "<&>\u2028")
	hostile := ledger.Event{Event: "refuse", Target: "x\x00\x1b[2J", Time: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC),
		Detail: map[string]string{"\xfe": "\xff", "a": "line\nline", "": "\u202e"}}
	if err := c.Add(context.Background(), hostile, ledger.Event{Detail: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	es := all(t, s)
	if problems := ledger.Verify(es); len(es) != 2 || len(problems) != 0 {
		t.Errorf("%d events, %q", len(es), problems)
	}
}

// TestATornLineIsCutAtEveryByte is exhaustive: wherever the writer died, the next
// append leaves whole records and nothing else.
func TestATornLineIsCutAtEveryByte(t *testing.T) {
	es := events(t, "run1", 3)
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	if err := open(t, path).Append(context.Background(), es[:2]); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	for size := range len(whole) + 1 {
		torn := filepath.Join(t.TempDir(), "torn.jsonl")
		if err := os.WriteFile(torn, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ledger.OpenFile(torn)
		if err != nil {
			t.Fatal(err)
		}
		survive := 0
		for _, end := range []int{first, len(whole)} {
			if size >= end {
				survive++
			}
		}
		if got := all(t, s); len(got) != survive {
			t.Fatalf("cut at %d: %d records before the append, want %d", size, len(got), survive)
		}
		if err := s.Append(context.Background(), es[survive:survive+1]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(es[:survive+1], all(t, s)); diff != "" {
			t.Fatalf("cut at %d: %s", size, diff)
		}
		s.Close()
	}
}

func TestATornLineLongerThanABlockIsCut(t *testing.T) {
	es := events(t, "run1", 1)
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	if err := os.WriteFile(path, []byte(`{"version":1,"detail":{"x":"`+strings.Repeat("y", 20_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Append(context.Background(), es); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(es, all(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestARecordLongerThanTheReadBufferIsRead(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ledger.jsonl"))
	c := ledger.NewChain(s, "run1", "a", "b")
	long := strings.Repeat("long ", 50_000)
	if err := c.Add(context.Background(), ledger.Event{Event: "block"}, ledger.Event{Event: "block", Detail: map[string]string{"reason": long}}, ledger.Event{Event: "block"}); err != nil {
		t.Fatal(err)
	}
	es := all(t, s)
	if len(es) != 3 || es[1].Detail["reason"] != long || len(ledger.Verify(es)) != 0 {
		t.Errorf("%d records, %q", len(es), ledger.Verify(es))
	}
}

func TestADamagedLineIsReportedAndTheOthersAreRead(t *testing.T) {
	es := events(t, "run1", 3)
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	if err := open(t, path).Append(context.Background(), es); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(line string) string{
		"no JSON":          func(string) string { return "garbage" },
		"an empty line":    func(string) string { return "" },
		"a key of no use":  func(l string) string { return strings.Replace(l, `{"version"`, `{"note":"x","version"`, 1) },
		"another order":    func(l string) string { return strings.Replace(l, `"run":"run1","seq":2`, `"seq":2,"run":"run1"`, 1) },
		"two on one line":  func(l string) string { return l + l },
		"a space too many": func(l string) string { return strings.Replace(l, `"seq":2`, `"seq": 2`, 1) },
	} {
		lines := strings.SplitAfter(string(whole), "\n")
		lines[1] = change(strings.TrimSuffix(lines[1], "\n")) + "\n"
		if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := open(t, path).Since(context.Background(), time.Time{})
		if !errors.Is(err, ledger.ErrDamaged) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", name, err)
		}
		if len(got) != 2 || got[0].Seq != 1 || got[1].Seq != 3 {
			t.Errorf("%s: the good lines are lost: %v", name, got)
		}
	}
}

func TestAFileThatIsNoLedgerIsRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := ledger.OpenFile(dir); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := ledger.OpenFile(filepath.Join(dir, "missing", "l")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	public := filepath.Join(dir, "public.jsonl")
	if err := os.WriteFile(public, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(public, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenFile(public); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file open to everyone: %v", err)
	}
}

func TestACancelledAppendWritesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ledger.jsonl"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Append(ctx, events(t, "run1", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(all(t, s)) != 0 {
		t.Error("something was written")
	}
	if _, err := s.Since(ctx, time.Time{}); err != nil {
		t.Errorf("an empty ledger: %v", err)
	}
}

// TestProcessesShareAFile starts this test binary several times over; each adds a
// run of its own to the same file, while this process does the same from several goroutines.
func TestProcessesShareAFile(t *testing.T) {
	if path := os.Getenv("EDGEWARDEN_TEST_LEDGER"); path != "" {
		writeRun(t, path, os.Getenv("EDGEWARDEN_TEST_RUN"))
		return
	}
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	const processes, goroutines = 4, 4
	var wg sync.WaitGroup
	for i := range processes {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcessesShareAFile$")
		cmd.Env = append(os.Environ(), "EDGEWARDEN_TEST_LEDGER="+path, fmt.Sprintf("EDGEWARDEN_TEST_RUN=process%d", i))
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for i := range goroutines {
		wg.Go(func() { writeRun(t, path, fmt.Sprintf("goroutine%d", i)) })
	}
	wg.Wait()
	es := all(t, open(t, path))
	if want := (processes + goroutines) * writes; len(es) != want {
		t.Errorf("%d records, want %d", len(es), want)
	}
	if problems := ledger.Verify(es); len(problems) != 0 {
		t.Error(problems)
	}
}

const writes = 20

func writeRun(t *testing.T, path, run string) {
	s, err := ledger.OpenFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	c := ledger.NewChain(s, run, "a", "b")
	for range writes {
		if err := c.Add(context.Background(), ledger.Event{Event: "block", Target: "SVC/acl/203.0.113.9/32"}); err != nil {
			t.Error(err)
		}
	}
}

func FuzzSince(f *testing.F) {
	path := filepath.Join(f.TempDir(), "ledger.jsonl")
	f.Add([]byte(`{"version":1}` + "\n"))
	f.Add([]byte("\n\n{"))
	f.Add([]byte(`{"version":1,"run":"r","seq":1,"time":"2031-05-06T12:00:00Z","actor":"","event":"","outcome":"","source":"","target":"","prev":"","hash":""}` + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ledger.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		before, err := s.Since(context.Background(), time.Time{})
		if err != nil && !errors.Is(err, ledger.ErrDamaged) {
			t.Fatal(err)
		}
		if err := ledger.NewChain(s, "fuzz-run", "a", "b").Add(context.Background(), ledger.Event{Event: "x"}); err != nil {
			t.Fatal(err)
		}
		after, _ := s.Since(context.Background(), time.Time{})
		if len(after) != len(before)+1 {
			t.Fatalf("%d records before an append, %d after", len(before), len(after))
		}
		ledger.Verify(after)
		ledger.Summaries(after)
		ledger.History(after, now, 0)
	})
}

func BenchmarkAppend(b *testing.B) {
	s, err := ledger.OpenFile(filepath.Join(b.TempDir(), "ledger.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := ledger.NewChain(s, "run1", "a", "b")
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Add(context.Background(), ledger.Event{Event: "block", Target: "SVC/acl/203.0.113.9/32"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSince reads the last day of a ledger of 100,000 records, about a year of
// quiet runs.
func BenchmarkSince(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ledger.jsonl")
	s, err := ledger.OpenFile(path)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := ledger.NewChain(s, "run1", "a", "b")
	batch := make([]ledger.Event, 100_000)
	for i := range batch {
		batch[i] = ledger.Event{Event: "run", Target: "SVC", Time: now.Add(time.Duration(i) * 5 * time.Minute), Detail: map[string]string{"rows": "123456", "blocks": "3"}}
	}
	if err := c.Add(context.Background(), batch...); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		es, err := s.Since(context.Background(), batch[len(batch)-1].Time.Add(-24*time.Hour))
		if err != nil || len(es) != 289 {
			b.Fatalf("%d, %v", len(es), err)
		}
	}
}
