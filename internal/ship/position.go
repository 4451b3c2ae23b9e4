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
// one allocation for a batch instead of one for each record.
type positions struct {
	prefix string // id and dash
	text   string
}

func newPositions(spoolID string) positions {
	return positions{prefix: strings.TrimSuffix(spool.Position(spoolID, 0), strings.Repeat("0", positionDigits))}
}

// set makes the texts of the positions of items, like spool.Position.
func (ps *positions) set(items []spool.Item) {
	var b strings.Builder
	b.Grow(len(items) * (len(ps.prefix) + positionDigits))
	var hex [positionDigits]byte
	for i := range items {
		for d, p := positionDigits-1, items[i].Position; d >= 0; d, p = d-1, p>>4 {
			hex[d] = "0123456789abcdef"[p&15]
		}
		b.WriteString(ps.prefix)
		b.Write(hex[:])
	}
	ps.text = b.String()
}

// at is the text of the i-th item's position.
func (ps *positions) at(i int) string {
	n := len(ps.prefix) + positionDigits
	return ps.text[i*n : (i+1)*n]
}
