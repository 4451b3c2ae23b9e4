package ship

import (
	"sync/atomic"
	"time"

	"edgewarden/internal/record"
)

// part is entries of a request, one behind the other in one buffer.
type part struct {
	bytes   []byte
	entries []placed
}

// placed is an entry in a buffer, and its record's place in the batch.
type placed struct{ index, from, to int }

// wire is the bytes of all entries of the part.
func (p part) wire() []byte {
	return p.bytes[p.entries[0].from:p.entries[len(p.entries)-1].to]
}

func (p part) halves() (left, right part) {
	n := len(p.entries) / 2
	return part{p.bytes, p.entries[:n]}, part{p.bytes, p.entries[n:]}
}

// packer gathers the entries of one request after the other.
type packer struct {
	encoder encoder
	part    part
	usual   *atomic.Int64 // bytes of the last request of any packer: what the next buffer should hold
}

// spare is by how much a buffer is larger than the last request.
const spare = 64 << 10

// add encodes a record behind the others. It returns false, and adds nothing,
// when the request would be too large with it; alone it never is.
func (p *packer) add(index int, r *record.Record, now time.Time) bool {
	if p.part.bytes == nil {
		p.part.bytes = make([]byte, 0, p.usual.Load()+spare)
	}
	from := len(p.part.bytes)
	b := p.encoder.append(p.part.bytes, r, now)
	if from > 0 && len(b) > maxRequestBytes {
		p.part.bytes = b[:from]
		return false
	}
	p.part.bytes = b
	p.part.entries = append(p.part.entries, placed{index, from, len(b)})
	return true
}

// sent empties the packer. The buffer is used again only when the API took the
// request: after anything else the connection may still hold it.
func (p *packer) sent(taken bool) {
	p.usual.Store(int64(len(p.part.bytes)))
	p.part.entries = p.part.entries[:0]
	p.part.bytes = p.part.bytes[:0]
	if !taken {
		p.part.bytes = nil
	}
}
