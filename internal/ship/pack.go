package ship

import (
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
}

// add encodes a record behind the others. It returns false, and adds nothing,
// when the request would be too large with it; alone it never is.
func (p *packer) add(index int, r *record.Record, now time.Time) bool {
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
	p.part.entries = p.part.entries[:0]
	p.part.bytes = p.part.bytes[:0]
	if !taken {
		p.part.bytes = nil
	}
}
