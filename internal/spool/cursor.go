package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Cursor reads records and remembers, durably, which of them were acknowledged.
// It is safe for concurrent use: several readers of one cursor get different
// batches, and may acknowledge them in any order.
type Cursor struct {
	s    *Spool
	name string

	mu       sync.Mutex
	acked    ranges           // acknowledged
	taken    ranges           // acknowledged or handed out
	open     []span           // handed out and not acknowledged
	returned []span           // those of open that nobody holds now, in order
	live     uint64           // unread records from here on are live, those before it backlog
	done     map[uint32]int64 // records acknowledged, by segment still in the queue
	log      *cursorLog
	unkept   bool // the last claim could not be made durable

	oldest struct { // the last answer of appended
		pos  uint64
		time int64
	}
}

// openCursor reads a cursor, or starts one at the oldest record.
func openCursor(s *Spool, name string, oldest uint64) (*Cursor, error) {
	c := &Cursor{s: s, name: name, live: position(s.next, 0)}
	path := filepath.Join(s.o.Dir, cursorStart+name)
	l, entries, ok, err := openCursorLog(path, s.id, true)
	if err == nil && !ok {
		_ = l.close()
		s.log.Error("cursor cannot be read: starting again at the oldest record; the file is kept", "cursor", name, "file", path+damagedEnd)
		err = os.Rename(path, path+damagedEnd)
		if err == nil {
			err = os.ErrNotExist
		}
	}
	if gone(err) {
		if err = createCursorLog(path, s.id, []entry{{entryAck, span{0, oldest}}}, 1); err == nil {
			l, entries, _, err = openCursorLog(path, s.id, true)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open cursor %s: %w", name, err)
	}
	l.sync = s.sync
	c.log = l
	c.restore(entries, oldest)
	for _, sp := range c.open {
		c.taken.add(sp.from, sp.to)
	}
	c.done, err = countDone(c.acked, s.segments)
	return c, err
}

// restore applies what the log says.
func (c *Cursor) restore(entries []entry, oldest uint64) {
	for _, e := range entries {
		switch e.kind {
		case entryAck:
			c.acked.add(e.span.from, e.span.to)
		case entryClaim:
			c.open = append(c.open, e.span)
		}
	}
	c.acked.add(0, oldest)
	c.open = slices.DeleteFunc(c.open, func(sp span) bool { return c.acked.covers(sp.from, sp.to) })
	slices.SortFunc(c.open, compareSpans)
	c.open = slices.Compact(c.open)
	c.returned = slices.Clone(c.open)
	c.taken = slices.Clone(c.acked)
}

func compareSpans(a, b span) int { return cmp.Compare(a.from, b.from) }

// countDone counts the acknowledged records of each segment. Only segments that
// are acknowledged in part have to be read.
func countDone(acked ranges, segments []*segment) (map[uint32]int64, error) {
	done := map[uint32]int64{}
	for _, g := range segments {
		from, to := g.start(), g.stop()
		if acked.covers(from, to) {
			done[g.no] = g.records
			continue
		}
		if !acked.overlaps(from, to) {
			continue
		}
		f, err := os.Open(g.path)
		if err != nil {
			return nil, err
		}
		for sc := newScanner(f, g.seed, segmentHead, g.synced); sc.next(); {
			if p := position(g.no, sc.start); acked.covers(p, p+1) {
				done[g.no]++
			}
		}
		_ = f.Close()
	}
	return done, nil
}

// Next waits for at least one synced record, then until about maxBytes of
// payload are there or the oldest of it was appended maxAge ago, and claims
// them; a record larger than maxBytes comes alone. It returns ctx.Err() when
// ctx ends first with nothing to return, and io.EOF after Close.
//
// What comes first: batches that were given back, whole, whatever maxBytes
// says; then live records, which this process appended, when they are due;
// then the backlog, oldest first and without waiting, so that it fills the time
// in which live records gather. A cursor whose next live record is four segments
// and 30 seconds behind lets what it missed become backlog.
func (c *Cursor) Next(ctx context.Context, maxBytes int, maxAge time.Duration) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	maxBytes = max(maxBytes, 1)
	for {
		wake, err := c.s.waker()
		if err != nil {
			return nil, err
		}
		b, wait, err := c.claim(maxBytes, maxAge)
		if b != nil || err != nil {
			return b, err
		}
		if err := pause(ctx, wake, wait); err != nil {
			if b, _, cerr := c.claim(maxBytes, 0); b != nil || cerr != nil {
				return b, cerr
			}
			return nil, err
		}
	}
}

// waker returns the channel that is closed when there is something new.
func (s *Spool) waker() (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, io.EOF
	}
	return s.wake, nil
}

// pause waits for wake, for the time given (none if it is zero) or for ctx.
func pause(ctx context.Context, wake <-chan struct{}, wait time.Duration) error {
	var due <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-due:
	}
	return nil
}

// errNotHeld is a misuse that would lose or double records if it were ignored.
var errNotHeld = errors.New("batch is not held: it belongs to another cursor, or was acknowledged or released before")

// Ack acknowledges the whole batch: no Next returns it again in this process,
// and after a restart it is not returned unless the acknowledgement was lost
// with the machine. On an error it may come again after a restart, with the
// same From and To. The batch and its payloads must not be used any more.
func (c *Cursor) Ack(b *Batch) error {
	c.mu.Lock()
	if b.cursor != c || !b.held {
		c.mu.Unlock()
		return fmt.Errorf("acknowledge batch of cursor %s: %w", c.name, errNotHeld)
	}
	err := c.acknowledge(b)
	c.mu.Unlock()
	b.memory.recycle(b)
	c.s.reclaim()
	if err != nil {
		return fmt.Errorf("acknowledge batch of cursor %s: %w", c.name, err)
	}
	return nil
}

// acknowledge moves a batch from claimed to acknowledged. mu is held.
func (c *Cursor) acknowledge(b *Batch) error {
	b.held = false
	sp := span{b.From, b.To}
	c.open = slices.DeleteFunc(c.open, func(o span) bool { return o == sp })
	c.acked.add(sp.from, sp.to)
	for _, it := range b.Items {
		no, _ := split(it.Position)
		c.done[no]++
	}
	return c.log.append(entry{entryAck, sp}, c.state)
}

// Release gives the batch back; Next returns the same From, To and records
// again. The batch and its payloads must not be used any more. Releasing a
// batch that is not held does nothing.
func (c *Cursor) Release(b *Batch) {
	c.mu.Lock()
	if b.cursor != c || !b.held {
		c.mu.Unlock()
		return
	}
	b.held = false
	c.giveBack(span{b.From, b.To})
	c.mu.Unlock()
	b.memory.recycle(b)
	c.s.mu.Lock()
	c.s.broadcast()
	c.s.mu.Unlock()
}

// giveBack puts a claim where Next looks first. mu is held.
func (c *Cursor) giveBack(sp span) {
	i, _ := slices.BinarySearchFunc(c.returned, sp, compareSpans)
	c.returned = slices.Insert(c.returned, i, sp)
}

// state is the whole cursor as entries. mu is held.
func (c *Cursor) state() []entry {
	entries := make([]entry, 0, len(c.acked)+len(c.open))
	for _, sp := range c.acked {
		entries = append(entries, entry{entryAck, sp})
	}
	for _, sp := range c.open {
		entries = append(entries, entry{entryClaim, sp})
	}
	return entries
}

// persist makes durable what was claimed and acknowledged so far. Callers that
// come together share a sync.
func (c *Cursor) persist() error {
	c.mu.Lock()
	l := c.log
	if l == nil || l.f == nil {
		c.mu.Unlock()
		return ErrClosed
	}
	if l.stale {
		if err := l.rewrite(c.state()); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	want := l.written
	c.mu.Unlock()

	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if l.synced >= want {
		return nil
	}
	c.mu.Lock()
	f, written := l.f, l.written
	c.mu.Unlock()
	if f == nil {
		return ErrClosed
	}
	if err := l.sync(f); err != nil {
		c.mu.Lock()
		l.stale = true // after a failed sync only new bytes can be trusted
		c.mu.Unlock()
		return fmt.Errorf("sync cursor: %w", err)
	}
	l.synced = written
	return nil
}
