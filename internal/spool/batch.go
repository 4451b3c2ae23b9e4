package spool

import (
	"fmt"
	"os"
	"sync"
)

// Item is one record of a batch.
type Item struct {
	Position uint64 // unique and increasing in this spool, never reused
	Payload  []byte // valid until the batch is acknowledged or released
}

// Batch is a claimed run of records; no other Next returns them until Release.
//
// The batches of one cursor touch (the To of one is the From of another)
// wherever no record lies between. A batch that comes again, after Release or
// after a restart, has the same From and To; so a consumer may name what it
// stores by them.
type Batch struct {
	Items    []Item
	From, To uint64 // positions [From, To): every position in it belongs to this batch or does not exist

	cursor *Cursor
	held   bool // guarded by the cursor's mu
	memory *memory
}

// read reads the records of sp from its start, up to maxBytes of payload, and
// sets the bounds of the batch. mu is held.
func (c *Cursor) read(sp span, maxBytes uint64) (*Batch, error) {
	b := &Batch{cursor: c, held: true, memory: memories.Get().(*memory), From: sp.from, To: sp.from}
	b.Items = b.memory.items[:0]
	budget := int64(min(maxBytes, 1<<40))
	limit := min(budget*4+1<<20, 1<<40) // small records have more header than payload
	found, total, _ := c.s.parts(sp, limit)
	b.memory.reserve(min(total, window(budget)+readWindow))
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

// reserve makes room for n bytes, as far as they are kept afterwards.
func (m *memory) reserve(n int64) {
	if n = min(n, keptMemory); int64(cap(m.buf)) < n {
		m.buf = make([]byte, 0, n)
	}
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

// window is how much to read for so many bytes of payload, so that one read
// does for lines of the usual length.
func window(budget int64) int64 { return min(budget+budget/16, keptMemory/2) + readWindow }

// takePart adds the records of p to the batch until the budget is used. It
// returns where it stopped and whether the budget was the reason.
func (b *Batch) takePart(f *os.File, p part, budget *int64) (off int64, full bool) {
	off = p.from
	least := int64(readWindow)
	for off < p.to {
		want := min(p.to-off, max(least, window(*budget)))
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
