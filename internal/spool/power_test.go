package spool_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"edgewarden/internal/spool"
)

// powerDisk remembers what a sync has made durable: of each file, and which
// names the directory has.
type powerDisk struct {
	t       *testing.T
	mu      sync.Mutex
	durable map[string][]byte
	names   map[string]bool
}

// newPowerDisk starts with everything in dir durable.
func newPowerDisk(t *testing.T, dir string) *powerDisk {
	d := &powerDisk{t: t, durable: map[string][]byte{}}
	for _, path := range append(files(t, dir, "*.seg"), files(t, dir, "cursor-*")...) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d.durable[filepath.Base(path)] = b
	}
	_ = d.syncDir(dir)
	return d
}

func (d *powerDisk) syncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names = map[string]bool{}
	for _, path := range files(d.t, dir, "*") {
		d.names[filepath.Base(path)] = true
	}
	return nil
}

func (d *powerDisk) sync(f *os.File) error {
	b, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable[filepath.Base(f.Name())] = b
	return nil
}

// cut leaves in dir what the disk has after a power cut: of each segment and
// cursor the synced bytes, then whatever the file system made of the rest. A
// segment whose name was never synced may be gone altogether.
func (d *powerDisk) cut(dir string, r *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range files(d.t, dir, "*") {
		name := filepath.Base(path)
		b, synced := d.durable[name]
		now, err := os.ReadFile(path)
		if err != nil {
			d.t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(name, "cursor-"):
			if !synced { // made by rename, so durable as it was then: without entries but the first
				b = now[:32+24]
			}
			b = append(b[:len(b):len(b)], make([]byte, max(0, len(now)-len(b)))...)
		case strings.HasSuffix(name, ".seg"):
			if !d.names[name] && r.IntN(2) == 0 {
				if err := os.Remove(path); err != nil {
					d.t.Fatal(err)
				}
				continue
			}
			rest := now[min(len(now), len(b)):]
			switch r.IntN(3) {
			case 0: // the size arrived, the bytes did not
				rest = make([]byte, len(rest))
			case 1:
				rest = rest[:r.IntN(len(rest)+1)]
			case 2:
				rest = nil
			}
			b = append(b[:len(b):len(b)], rest...)
		default:
			continue
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestAPowerCutLosesNothingSyncedAndReusesNoPosition cuts the power or kills the
// process many times in one spool's life.
func TestAPowerCutLosesNothingSyncedAndReusesNoPosition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	dir := filepath.Join(fastDir(t), "spool")
	at := map[uint64]string{}
	bounds := map[uint64]uint64{}
	count := map[uint64]int{} // of records in a batch, by its start
	open := map[string]bool{} // synced and not acknowledged
	n := 0
	see := func(b *spool.Batch) {
		if to, ok := bounds[b.From]; ok && to != b.To {
			t.Fatalf("the batch from %x ended at %x and comes again ending at %x", b.From, to, b.To)
		}
		if n, ok := count[b.From]; ok && n != len(b.Items) {
			t.Fatalf("the batch from %x had %d records and comes again with %d", b.From, n, len(b.Items))
		}
		bounds[b.From], count[b.From] = b.To, len(b.Items)
		for _, it := range b.Items {
			if x, ok := at[it.Position]; ok && x != string(it.Payload) {
				t.Fatalf("position %x was given to %s and to %s", it.Position, x, it.Payload)
			}
			at[it.Position] = string(it.Payload)
			open[string(it.Payload)] = true // what is shown is durable
		}
	}
	done := func(s *spool.Spool, b *spool.Batch) {
		for _, x := range texts(b) {
			delete(open, x)
		}
		ack(t, s.Cursor("lake"), b)
	}
	d := newPowerDisk(t, dir)
	for range 60 {
		s, err := spool.OpenOn(spool.Options{
			Dir: dir, Cursors: []string{"lake"}, SyncInterval: time.Hour, SegmentBytes: 4 << 10,
		}, spool.Disk{Sync: d.sync, SyncDir: d.syncDir})
		if err != nil {
			t.Fatal(err)
		}
		c := s.Cursor("lake")
		// What the last life left unsynced is shown now, so it has to be durable.
		for all := r.IntN(2) == 0; all && s.Stats().Pending["lake"] > 0; {
			b := next(t, c, 500)
			see(b)
			if all = s.Stats().Pending["lake"] > int64(len(b.Items)); all {
				done(s, b)
			}
		}
		for range r.IntN(30) {
			x := numbered("r", n, 1+r.IntN(40))
			n += len(x)
			if err := s.Append(payloads(x...)); err != nil {
				t.Fatal(err)
			}
			if r.IntN(2) == 0 {
				if err := s.Sync(); err != nil {
					t.Fatal(err)
				}
				for _, y := range x {
					open[y] = true
				}
			}
			if r.IntN(3) == 0 && s.Stats().Pending["lake"] > 0 {
				if b := maybe(t, c); b != nil {
					see(b)
					if r.IntN(2) == 0 {
						done(s, b)
					}
				}
			}
		}
		image := filepath.Join(filepath.Dir(dir), "image")
		copyDir(t, dir, image)
		powerCut := r.IntN(2) == 0 // or just the death of the process
		if powerCut {
			d.cut(image, r)
		}
		durable, names := maps.Clone(d.durable), d.names
		_ = s.Close() // which must not count: everything is as it was before
		copyDir(t, image, dir)
		d.durable, d.names = durable, names
		if powerCut {
			d = newPowerDisk(t, dir)
		}
	}
	s := start(t, dir, nil)
	for s.Stats().Pending["lake"] > 0 {
		b := next(t, s.Cursor("lake"), 1<<20)
		see(b)
		done(s, b)
	}
	if len(open) > 0 {
		t.Errorf("%d of %d synced records are lost", len(open), n)
	}
	if len(at) < 1000 {
		t.Errorf("only %d records were seen", len(at))
	}
}

// maybe takes a batch if there is one.
func maybe(t *testing.T, c *spool.Cursor) *spool.Batch {
	ctx, cancel := contextFor(time.Millisecond)
	defer cancel()
	b, _ := c.Next(ctx, 500, 0)
	return b
}

func TestMemoryDoesNotGrowWithTheBacklog(t *testing.T) {
	s := start(t, fastDir(t), nil)
	p := chunk()
	const chunks = 256 // 64 MiB
	for range chunks {
		if err := s.Append(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	c := s.Cursor("lake")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for n := 0; n < chunks*len(p); {
		b := next(t, c, 1<<20)
		n += len(b.Items)
		ack(t, c, b)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 40<<20 {
		t.Errorf("reading 64 MiB in batches of 1 MiB allocated %d MiB", used>>20)
	}
}
