package spool_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edgewarden/internal/spool"
)

// Sizes of the format, written down once more: see doc.go.
const (
	segmentHead = 64
	recordHead  = 20
	sealSize    = 48
)

// fastDir is a directory in memory where there is one, for tests that open a
// spool some hundred times.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "spool")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// copyDir copies the files of a spool, as a machine that stops leaves them.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// image is a segment file of five records as a dead process leaves it, or as a
// Close leaves it, in an otherwise complete directory.
func image(t *testing.T, closed bool) (dir string, segment []byte, records []string, ends []int) {
	t.Helper()
	dir = filepath.Join(fastDir(t), "image")
	work := filepath.Join(fastDir(t), "work")
	s := start(t, work, nil)
	at := segmentHead
	for i := range 5 {
		r := fmt.Sprintf("record %d %s", i, strings.Repeat("x", 7*i))
		records = append(records, r)
		put(t, s, r)
		at += recordHead + len(r)
		ends = append(ends, at)
	}
	if closed {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	copyDir(t, work, dir)
	segment, err := os.ReadFile(filepath.Join(dir, "00000001.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, segment, records, ends
}

func TestWhatLooksTornBehindAGoodCloseIsDamage(t *testing.T) {
	for name, closeAgain := range map[string]bool{"of the spool": false, "of a later segment": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir, nil)
			put(t, s, "a", "b")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if closeAgain {
				s = start(t, dir, nil)
				put(t, s, "c")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "lock"), []byte("99\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, "00000001.seg")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			clear(b[segmentHead+recordHead+1+recordHead:]) // the last payload and the seal
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if r, err := spool.Verify(dir); err != nil || len(r.Problems) != 1 {
				t.Errorf("verify says %q (%v)", r.Problems, err)
			}
			s = start(t, dir, nil)
			if got := drain(t, s.Cursor("lake"), 1); got[0] != "a" {
				t.Errorf("got %q, want a first", got)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, kept := range append(files(t, dir, "00000001.seg"), files(t, dir, "00000001.damaged")...) {
				if now, err := os.ReadFile(kept); err != nil || !bytes.Equal(now, b) {
					t.Errorf("%s was changed (%v)", filepath.Base(kept), err)
				}
			}
		})
	}
}

func TestATornTailIsCutAtEveryByte(t *testing.T) {
	dir, segment, records, ends := image(t, false)
	for _, tail := range []struct{ name, bytes string }{
		{"nothing follows", ""},
		{"zeros follow", strings.Repeat("\x00", 5000)},
		{"rubbish follows", strings.Repeat("{\"status\":200}\n\xff\x00\x10\x00\x00", 50)},
	} {
		t.Run(tail.name, func(t *testing.T) {
			for cut := range len(segment) + 1 {
				var want []string
				for i, end := range ends {
					if cut >= end {
						want = records[:i+1]
					}
				}
				work := filepath.Join(filepath.Dir(dir), "work")
				copyDir(t, dir, work)
				torn := append(bytes.Clone(segment[:cut]), tail.bytes...)
				if err := os.WriteFile(filepath.Join(work, "00000001.seg"), torn, 0o600); err != nil {
					t.Fatal(err)
				}
				if cut < segmentHead && tail.bytes != "" && tail.bytes[0] != 0 {
					continue // not torn but destroyed: see the tests of damage
				}
				s := start(t, work, nil)
				put(t, s, "after")
				c := s.Cursor("lake")
				same(t, drain(t, c, 1), []string{"after"})
				same(t, drain(t, c, len(want)), want)
				none0(t, s)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if r, err := spool.Verify(work); err != nil || len(r.Problems) > 0 {
					t.Fatalf("cut at %d: %v %q", cut, err, r.Problems)
				}
				if len(files(t, work, "*.damaged")) > 0 {
					t.Fatalf("cut at %d: taken for damage", cut)
				}
			}
		})
	}
}

// none0 fails when anything is pending; it waits for nothing.
func none0(t testing.TB, s *spool.Spool) {
	t.Helper()
	if n := s.Stats().Pending["lake"]; n != 0 {
		t.Fatalf("%d records pending, want none", n)
	}
}

func TestAFlippedBitCostsAtMostTheRecordItIsIn(t *testing.T) {
	dir, segment, records, ends := image(t, true)
	for at := range segment {
		lost := -1 // the record that is hit
		for i, end := range ends {
			if at >= segmentHead && at < end {
				lost = i
				break
			}
		}
		var want []string
		for i, r := range records {
			if i != lost {
				want = append(want, r)
			}
		}
		work := filepath.Join(filepath.Dir(dir), "work")
		copyDir(t, dir, work)
		hit := bytes.Clone(segment)
		hit[at] ^= 1 << (at % 8)
		path := filepath.Join(work, "00000001.seg")
		if err := os.WriteFile(path, hit, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := spool.Verify(work); err != nil || len(r.Problems) == 0 || r.Records != len(want) {
			t.Fatalf("byte %d: verify found %q and %d records (%v)", at, r.Problems, r.Records, err)
		}
		var log bytes.Buffer
		s := start(t, work, func(o *spool.Options) { o.Logger = logger(&log) })
		got := drain(t, s.Cursor("lake"), len(want))
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("byte %d: got %q, want %q", at, got, want)
		}
		if n := s.Stats().Pending["lake"]; n != 0 {
			t.Fatalf("byte %d: %d pending after all was read", at, n)
		}
		st := s.Stats()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		kept := files(t, work, "00000001.damaged")
		if len(kept) != 1 || st.Damaged != 1 {
			t.Fatalf("byte %d: the damaged segment was not set aside (%d files, %d in stats)\n%s", at, len(kept), st.Damaged, &log)
		}
		if b, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(b, hit) {
			t.Fatalf("byte %d: the damaged segment was changed (%v)", at, err)
		}
		if strings.Count(log.String(), "damaged segment") != 1 {
			t.Fatalf("byte %d: damage is not said once:\n%s", at, &log)
		}
		if lost >= 0 && st.Lost != 1 {
			t.Fatalf("byte %d: %d records counted as lost, want 1", at, st.Lost)
		}
	}
}

func TestDamageInTheMiddleIsReadAround(t *testing.T) {
	for name, harm := range map[string]func(b []byte) []byte{
		"a page of zeros":       func(b []byte) []byte { clear(b[8192:12288]); return b },
		"a page of rubbish":     func(b []byte) []byte { copy(b[8192:12288], bytes.Repeat([]byte("\x01\x00\x00\x00x"), 900)); return b },
		"bytes that went":       func(b []byte) []byte { return append(b[:9000], b[9100:]...) },
		"bytes that came":       func(b []byte) []byte { return append(b[:9000:9000], append([]byte("intruder"), b[9000:]...)...) },
		"another place's bytes": func(b []byte) []byte { copy(b[8192:12288], b[4096:]); return b },
		"a destroyed start":     func(b []byte) []byte { clear(b[:5000]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir, nil)
			want := numbered(strings.Repeat("y", 100), 0, 500)
			put(t, s, want...)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "00000001.seg")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, harm(b), 0o600); err != nil {
				t.Fatal(err)
			}
			left := 0
			if err := spool.Dump(dir, func(spool.Item) error { left++; return nil }); err != nil {
				t.Fatal(err)
			}
			s = start(t, dir, nil)
			put(t, s, "live")
			c := s.Cursor("lake")
			same(t, drain(t, c, 1), []string{"live"})
			got := drain(t, c, left)
			none(t, c)
			none0(t, s)
			known := map[string]bool{}
			for _, w := range want {
				known[w] = true
			}
			for _, g := range got {
				if !known[g] {
					t.Fatalf("a record came out that never went in: %.40q", g)
				}
				delete(known, g)
			}
			// Shifted bytes are no records any more: a record belongs to its place.
			if name != "bytes that went" && name != "bytes that came" && len(got) < 450 {
				t.Errorf("only %d of 500 records were read", len(got))
			}
			if len(got) < 60 || len(got) == 500 {
				t.Errorf("%d of 500 records were read", len(got))
			}
			if len(files(t, dir, "00000001.damaged")) != 1 {
				t.Error("the damaged segment was not set aside")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = start(t, dir, nil)
			none(t, s.Cursor("lake"))
			if s.Stats().Damaged != 1 {
				t.Errorf("stats count %d damaged segments after a restart, want 1", s.Stats().Damaged)
			}
		})
	}
}

func TestALostIDIsFoundInTheSegments(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, nil)
	id := s.ID()
	put(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "id")); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	if s.ID() != id {
		t.Errorf("id is %s, was %s", s.ID(), id)
	}
	same(t, drain(t, s.Cursor("lake"), 1), []string{"a"})
}

func TestADamagedCursorMeansRedeliveryNeverLoss(t *testing.T) {
	build := func(t *testing.T) (string, []byte) {
		dir := fastDir(t)
		s := start(t, dir, nil)
		put(t, s, numbered("r", 0, 10)...)
		c := s.Cursor("lake")
		ack(t, c, next(t, c, 1))
		held := next(t, c, 1)
		ack(t, c, next(t, c, 1))
		c.Release(held)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "cursor-lake"))
		if err != nil {
			t.Fatal(err)
		}
		return dir, b
	}
	t.Run("every byte in use", func(t *testing.T) {
		dir, b := build(t)
		for at := range 32 + 8*24 {
			work := filepath.Join(fastDir(t), "work")
			copyDir(t, dir, work)
			hit := bytes.Clone(b)
			hit[at] ^= 0x10
			if err := os.WriteFile(filepath.Join(work, "cursor-lake"), hit, 0o600); err != nil {
				t.Fatal(err)
			}
			s := start(t, work, nil)
			got := map[string]bool{}
			for n := s.Stats().Pending["lake"]; n > 0; n = s.Stats().Pending["lake"] {
				b := next(t, s.Cursor("lake"), 1)
				for _, x := range texts(b) {
					got[x] = true
				}
				ack(t, s.Cursor("lake"), b)
			}
			for i, r := range numbered("r", 0, 10) {
				if i != 0 && i != 2 && !got[r] {
					t.Fatalf("byte %d: %s was never acknowledged and is not delivered", at, r)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("the whole file", func(t *testing.T) {
		dir, _ := build(t)
		if err := os.WriteFile(filepath.Join(dir, "cursor-lake"), []byte("?"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := start(t, dir, nil)
		same(t, drain(t, s.Cursor("lake"), 10), numbered("r", 0, 10))
		if len(files(t, dir, "cursor-lake.damaged")) != 1 {
			t.Error("the damaged cursor was not kept")
		}
	})
}

func TestACursorsLogIsRewrittenWhenItIsFull(t *testing.T) {
	dir := fastDir(t)
	s := start(t, dir, nil)
	const n = 4000 // batches; an area of 64 KiB takes 2,729 entries
	put(t, s, numbered("r", 0, n)...)
	c := s.Cursor("lake")
	var held []*spool.Batch
	for i := range n {
		b := next(t, c, 1)
		if i%2 == 0 {
			ack(t, c, b)
		} else {
			held = append(held, b)
		}
	}
	for _, b := range held[:len(held)-1] {
		ack(t, c, b)
	}
	want := texts(held[len(held)-1])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, nil)
	same(t, drain(t, s.Cursor("lake"), 1), want)
	none(t, s.Cursor("lake"))
}
