package spool

import (
	"fmt"
	"os"
	"slices"
	"sort"
	"sync"
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
	if err := c.log.append(entry{entryClaim, claimed}, c.state); err != nil {
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

// read reads the records of sp from its start, up to maxBytes of payload, and
// sets the bounds of the batch. mu is held.
func (c *Cursor) read(sp span, maxBytes uint64) (*Batch, error) {
	b := &Batch{cursor: c, held: true, memory: memories.Get().(*memory), From: sp.from, To: sp.from}
	b.Items = b.memory.items[:0]
	budget := int64(min(maxBytes, 1<<40))
	limit := min(budget*4+1<<20, 1<<40) // small records have more header than payload
	found, _, _ := c.s.parts(sp, limit)
	full := false
	for _, p := range found {
		f, err := os.Open(p.path)
		if gone(err) {
			c.s.noteDamage(p.g)
			b.To = position(p.g.no, p.to)
			continue
		}
		if err != nil {
			b.memory.recycle(b)
			return nil, fmt.Errorf("read spool: %w", err)
		}
		var off int64
		off, full = b.takePart(f, p, &budget)
		_ = f.Close()
		b.To = position(p.g.no, off)
		if full {
			break
		}
	}
	if sp.to != endless {
		if rest, _, more := c.s.parts(span{b.To, sp.to}, 1); len(rest) == 0 && !more {
			b.To = sp.to
		}
	}
	return b, nil
}

// memory is what a batch occupies; it is used again after the batch.
type memory struct {
	buf     []byte
	items   []Item
	sources []source // parallel to items
}

// source is where an item came from and what its payload has to sum up to.
type source struct {
	g    *segment
	head head
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// keptMemory is the largest buffer that is kept for the next batch.
const keptMemory = 16 << 20

// recycle gives the memory of a batch that is done back.
func (m *memory) recycle(b *Batch) {
	b.memory = nil
	if m == nil || cap(m.buf) > keptMemory {
		return
	}
	m.buf, m.items, m.sources = m.buf[:0], b.Items[:0], m.sources[:0]
	b.Items = nil
	memories.Put(m)
}

// extend returns n bytes after what is used. Items keep the memory they point
// to, also when the buffer moves.
func (m *memory) extend(n int64) []byte {
	used := len(m.buf)
	if int64(cap(m.buf)-used) < n {
		m.buf, used = make([]byte, 0, n), 0
	}
	return m.buf[used : used+int(n)]
}

// readWindow is the least that is read from a segment at once.
const readWindow = 64 << 10

// takePart adds the records of p to the batch until the budget is used. It
// returns where it stopped and whether the budget was the reason.
func (b *Batch) takePart(f *os.File, p part, budget *int64) (off int64, full bool) {
	off = p.from
	least := int64(readWindow)
	for off < p.to {
		want := min(p.to-off, max(least, min(*budget+*budget/16, 4<<20)+readWindow))
		w := b.memory.extend(want)
		readAround(f, w, off)
		used, full := b.hop(w, p, off, budget)
		b.memory.buf = b.memory.buf[:len(b.memory.buf)+int(used)]
		off += used
		if full {
			return off, true
		}
		if used > 0 {
			least = readWindow
			continue
		}
		if int64(len(w)) >= recordHead {
			h, ok := parseHead(w, p.g.seed, off)
			if size := recordHead + int64(h.size); ok && off+size <= p.to && size > want {
				least = size
				continue
			}
		}
		b.cursor.s.noteDamage(p.g)
		sc := newScanner(f, p.g.seed, off, p.to)
		if sc.next() {
			off = sc.start
		} else {
			off = p.to
		}
	}
	return off, false
}

// hop adds the records that stand whole at the start of w.
func (b *Batch) hop(w []byte, p part, off int64, budget *int64) (used int64, full bool) {
	for used+recordHead <= int64(len(w)) {
		h, ok := parseHead(w[used:], p.g.seed, off+used)
		end := used + recordHead + int64(h.size)
		if !ok || end > int64(len(w)) {
			break
		}
		if len(b.Items) > 0 && int64(h.size) > *budget {
			return used, true
		}
		b.Items = append(b.Items, Item{position(p.g.no, off+used), w[used+recordHead : end : end]})
		b.memory.sources = append(b.memory.sources, source{p.g, h})
		*budget -= int64(h.size)
		used = end
		if *budget <= 0 {
			return used, true
		}
	}
	return used, false
}

// check drops the items whose payload is not what was written. It runs outside
// the cursor's lock: summing is most of the work of reading.
func (b *Batch) check() {
	sound := b.Items[:0]
	for i, it := range b.Items {
		if src := b.memory.sources[i]; src.head.sound(it.Payload) {
			sound = append(sound, it)
		} else {
			b.cursor.s.noteDamage(src.g)
		}
	}
	b.Items = sound
}
