package redact

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// classes are what the bytes of a block are, one bit for each byte.
type classes struct {
	separators uint64 // ':' and '='
	inCard     uint64 // the bytes of inCard
}

// classifiedPairs is pairs for a line that was classified. What is masked on the way is not classified again: whoever masks
// something passes over the line once more.
func (r *Redactor) classifiedPairs(line []byte, marks bool) (masked int) {
	for k := range r.blocks {
		for m := r.blocks[k].separators; m != 0; m &= m - 1 {
			i := k*block + bits.TrailingZeros64(m)
			if i >= lookBack {
				w := unquoted(wordBefore(line, i))
				if !mayEnd(w) || lastByte[w>>56] == isDigitByte && !mayEnd(afterDigits(w)) {
					continue
				}
			}
			masked += r.separator(line, i)
		}
	}
	masked += r.percents(line)
	if marks {
		masked += r.marks(line)
	}
	return masked
}

// wordBefore is the word of the lookBack bytes before i, at which a bit of a class is set: so they are in the line, and that is not
// checked again.
func wordBefore(line []byte, i int) uint64 {
	at := unsafe.Add(unsafe.Pointer(unsafe.SliceData(line)), i-lookBack)
	return binary.LittleEndian.Uint64((*[lookBack]byte)(at)[:])
}

// classifiedCards is cards for a line that was classified.
func (r *Redactor) classifiedCards(line []byte, c *Counts) {
	from := 0 // a run begins here at the earliest
	for k, b := range r.blocks {
		at, next := b.inCard, uint64(0)
		if at == 0 {
			continue
		}
		if k+1 < len(r.blocks) {
			next = r.blocks[k+1].inCard
		}
		for m := runs(at, next); m != 0; {
			i := bits.TrailingZeros64(m)
			m &= m - 1
			if start := k*block + i; start >= from {
				end := start + minDigits
				for end < len(line) && inCard[line[end]] {
					end++
				}
				if enoughDigits(line, start, end) {
					r.run(line, start, end, c)
				}
				from = end + 1
			}
		}
	}
}

// runs marks the bits of at from which on at least minDigits bits are set, those of next behind them.
func runs(at, next uint64) uint64 {
	at &= at>>1 | next<<63 // two in a row
	next &= next >> 1
	at &= at>>2 | next<<62 // four
	next &= next >> 2
	at &= at>>4 | next<<60 // eight
	next &= next >> 4
	const more = minDigits - 8
	return at & (at>>more | next<<(64-more))
}
