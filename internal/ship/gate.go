package ship

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// backoff is how long to wait after the n-th failure in a row: first doubled
// each time up to longest, and of that a random part between half and all, so
// that senders do not come back in step.
type backoff struct{ first, longest time.Duration }

func (b backoff) after(n int) time.Duration {
	d := b.first
	for ; n > 1 && d < b.longest; n-- {
		d *= 2
	}
	d = min(d, b.longest)
	return d/2 + rand.N(d/2+1)
}

// gate is what the workers of a shipper know in common about their sink. While
// it works, up to limit of them write at a time. While it fails, one tries at
// a time, after a pause that grows. A throttled sink gets half the writers,
// and one more after each round of successes.
//
// A batch that fails again although others were written since is at fault
// itself, as far as anyone can tell: it waits alone, and does not hold up the
// others.
type gate struct {
	log     *slog.Logger
	now     func() time.Time
	backoff map[Class]backoff
	most    int // workers

	mu       sync.Mutex // guards what follows
	limit    int
	writing  int
	good     int           // successes since limit changed
	written  int64         // successes in all
	failures int           // in a row; 0 while the sink works
	class    Class         // of the last failure
	said     string        // class and code of the failure that was logged
	since    time.Time     // when the first of them happened
	until    time.Time     // no attempt before
	changed  chan struct{} // closed and replaced when a waiting worker should look again
}

func newGate(log *slog.Logger, now func() time.Time, workers int, b map[Class]backoff) *gate {
	return &gate{log: log, now: now, backoff: b, most: workers, limit: workers, changed: make(chan struct{})}
}

// enter waits until the worker may write; leave must follow. It returns an
// error when ctx ends.
func (g *gate) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		limit, wait := g.limit, time.Duration(0)
		if g.failures > 0 {
			limit, wait = 1, g.until.Sub(g.now())
		}
		if g.writing < limit && wait <= 0 {
			g.writing++
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		if err := waitFor(ctx, changed, wait); err != nil {
			return err
		}
	}
}

// waitFor waits for a change or, when d is positive, for at most d.
func waitFor(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	var timer <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-timer:
	}
	return nil
}

// leave says how the write went that began at started; nil is success.
func (g *gate) leave(started time.Time, f *Failure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writing--
	if f == nil {
		g.succeed()
	} else {
		g.fail(started, f)
	}
	g.signal()
}

// leaveAgain is leave for a batch that failed before, when seen writes had
// succeeded. If others have since, the failure is the batch's own, and alone is
// true: its worker waits without a place.
func (g *gate) leaveAgain(started time.Time, f *Failure, seen int64) (alone bool) {
	g.mu.Lock()
	alone = f.Class != Throttled && g.written > seen
	if alone {
		g.writing--
		g.signal()
	}
	g.mu.Unlock()
	if !alone {
		g.leave(started, f)
	}
	return alone
}

// successes is how many writes have succeeded.
func (g *gate) successes() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.written
}

// signal wakes the workers that wait. mu is held.
func (g *gate) signal() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// abandon gives the place back without a verdict: the worker was stopped.
func (g *gate) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writing--
	g.signal()
}

func (g *gate) succeed() {
	g.written++
	if g.failures > 0 {
		g.log.Info("writing works again", "after", g.now().Sub(g.since).Round(time.Millisecond), "attempts", g.failures)
		g.failures, g.said = 0, ""
	}
	if g.good++; g.limit < g.most && g.good >= g.limit {
		g.limit++
		g.good = 0
	}
}

func (g *gate) fail(started time.Time, f *Failure) {
	now := g.now()
	if f.Class == Throttled {
		g.limit, g.good = max(1, g.limit/2), 0
	}
	// Writes that were under way together fail together: that is one failure.
	if g.failures == 0 || started.After(g.until) || started.Equal(g.until) || f.Class != g.class {
		g.failures++
		g.until = now.Add(g.backoff[f.Class].after(g.failures))
	}
	if g.failures == 1 {
		g.since = now
	}
	g.class = f.Class
	if said := string(f.Class) + " " + f.Code; said != g.said {
		g.said = said
		g.log.Warn("writing fails; lines wait in the spool", "class", f.Class, "code", f.Code, "err", f.Err)
	}
}

// failing reports since when writing fails, and the class; ok is false while
// it works.
func (g *gate) failing() (since time.Time, class Class, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.since, g.class, g.failures > 0
}
