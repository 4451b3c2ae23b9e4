package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"time"
)

// A cursor whose next live record is in a segment at least lagSegments before
// the one being written, and is older than lagAge, turns to the newest records:
// detection wants today's traffic before yesterday's.
const (
	lagSegments = 4
	lagAge      = 30 * time.Second
)

// part is the durable stretch of one segment that lies in a span.
type part struct {
	g        *segment
	path     string
	from, to int64
}

// parts lists the durable bytes of sp in order, until limit bytes are found.
// more says that the span holds records that are not durable yet.
func (s *Spool) parts(sp span, limit int64) (found []part, total int64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	no, _ := split(sp.from)
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].no >= no })
	for ; i < len(s.segments) && total < limit; i++ {
		g := s.segments[i]
		if position(g.no, 0) >= sp.to {
			break
		}
		from, to := max(sp.from, g.start()), min(sp.to, g.stop())
		if from < to {
			_, off := split(from)
			p := part{g, g.path, off, off + int64(to-from)}
			found = append(found, p)
			total += p.to - p.from
		}
		if g.synced < g.end && sp.to > g.stop() {
			return found, total, true // nothing behind it is visible
		}
	}
	return found, total, false
}

// newest is the number of the last segment.
func (s *Spool) newest() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next - 1
}

// claim takes the next batch, or says how long to wait for one to be due; zero
// means until something happens.
func (c *Cursor) claim(maxBytes int, maxAge time.Duration) (*Batch, time.Duration, error) {
	for {
		b, wait, err := c.take(maxBytes, maxAge)
		if b == nil || err != nil {
			return nil, wait, err
		}
		if b.check(); len(b.Items) > 0 {
			c.keep()
			return b, 0, nil
		}
		c.mu.Lock() // nothing in it can be read: done with it
		err = c.acknowledge(b)
		c.mu.Unlock()
		b.memory.recycle(b)
		c.s.reclaim()
		if err != nil {
			return nil, 0, fmt.Errorf("pass over damage: %w", err)
		}
	}
}

// take claims a span and reads its record headers.
func (c *Cursor) take(maxBytes int, maxAge time.Duration) (*Batch, time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.returned) > 0 {
		sp := c.returned[0]
		b, err := c.read(sp, endless)
		if err != nil {
			return nil, 0, err
		}
		b.From, b.To = sp.from, sp.to
		c.returned = slices.Delete(c.returned, 0, 1)
		return b, 0, nil
	}
	sp, wait := c.pick(maxBytes, maxAge)
	if sp.from == sp.to {
		return nil, wait, nil
	}
	b, err := c.read(sp, uint64(maxBytes))
	if err != nil {
		return nil, 0, err
	}
	claimed := span{b.From, b.To}
	c.taken.add(b.From, b.To)
	c.open = append(c.open, claimed)
	if err := c.log.append(entry{entryClaim, claimed}, c.state); errors.Is(err, ErrClosed) {
		return nil, 0, io.EOF
	} else if err != nil {
		c.noteKept(err)
	}
	return b, 0, nil
}

// keep makes a claim durable before anyone acts on it, so that it has the same
// bounds when it comes again. A claim that cannot be made durable is handed out
// all the same: delivery is worth more than exact bounds.
func (c *Cursor) keep() {
	err := c.persist()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteKept(err)
}

// noteKept says once that claims are not durable. mu is held.
func (c *Cursor) noteKept(err error) {
	if errors.Is(err, ErrClosed) {
		return
	}
	if err != nil && !c.unkept {
		c.s.log.Error("cursor cannot be persisted: batches may come again in other bounds after a crash", "cursor", c.name, "error", err)
	}
	c.unkept = err != nil
}

// pick chooses what to read: live records that are due, else backlog. An empty
// span means that nothing is to be read before wait has passed. mu is held.
func (c *Cursor) pick(maxBytes int, maxAge time.Duration) (sp span, wait time.Duration) {
	live := c.liveGap()
	found, total, _ := c.s.parts(live, int64(maxBytes))
	if total > 0 {
		age := time.Duration(now() - c.appended(found[0]))
		if newest := c.s.newest(); found[0].g.no+lagSegments <= newest && age > lagAge {
			c.live = position(newest, 0)
			return c.pick(maxBytes, maxAge)
		}
		wait = min(maxAge-age, maxAge)
		if total >= int64(maxBytes) || wait <= 0 {
			return live, 0
		}
	}
	for pos := uint64(0); pos < c.live; {
		back := c.taken.gap(pos)
		back.to = min(back.to, c.live)
		if back.from >= back.to {
			break
		}
		if found, _, _ := c.s.parts(back, 1); len(found) > 0 {
			return back, 0
		}
		pos = back.to
	}
	return span{}, wait
}

// liveGap is what no batch has of the live records. It begins where the last
// batch before it ended, if no record lies between. mu is held.
func (c *Cursor) liveGap() span {
	live := c.taken.gap(c.live)
	if before := c.taken.before(live.from); before < live.from {
		if found, _, more := c.s.parts(span{before, live.from}, 1); len(found) == 0 && !more {
			live.from = before
		}
	}
	return live
}

// appended is when the first record of p was appended.
func (c *Cursor) appended(p part) int64 {
	pos := position(p.g.no, p.from)
	if c.oldest.pos != pos {
		c.oldest.pos, c.oldest.time = pos, appendTime(p)
	}
	return c.oldest.time
}

// appendTime reads one record header; zero when it cannot be read.
func appendTime(p part) int64 {
	f, err := os.Open(p.path)
	if err != nil {
		return 0
	}
	defer f.Close()
	b := make([]byte, recordHead)
	readAround(f, b, p.from)
	h, _ := parseHead(b, p.g.seed, p.from)
	return h.time
}
