package ship

import (
	"strconv"
	"strings"

	"edgewarden/internal/spool"
)

// positionDigits is how many a position has behind the spool's id and a dash.
const positionDigits = 16

// splitPosition is the inverse of spool.Position.
func splitPosition(s string) (id string, p uint64, ok bool) {
	id, digits, ok := strings.Cut(s, "-")
	if !ok || len(digits) != positionDigits {
		return "", 0, false
	}
	p, err := strconv.ParseUint(digits, 16, 64)
	return id, p, err == nil
}

// positions are the texts of many positions of one spool, all in one string:
// two allocations for a batch instead of one for each record.
type positions struct {
	prefix string // id and dash
	buf    []byte
	text   string
}

func newPositions(spoolID string) positions {
	return positions{prefix: strings.TrimSuffix(spool.Position(spoolID, 0), strings.Repeat("0", positionDigits))}
}

// set makes the texts of the positions of items, like spool.Position.
func (ps *positions) set(items []spool.Item) {
	const digits = "0123456789abcdef"
	b := ps.buf[:0]
	for i := range items {
		b = append(b, ps.prefix...)
		for shift := 60; shift >= 0; shift -= 4 {
			b = append(b, digits[items[i].Position>>shift&15])
		}
	}
	ps.buf, ps.text = b, string(b)
}

// at is the text of the i-th item's position.
func (ps *positions) at(i int) string {
	n := len(ps.prefix) + positionDigits
	return ps.text[i*n : (i+1)*n]
}
