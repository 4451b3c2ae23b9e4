package ship

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"edgewarden/internal/record"
)

// repaired returns a copy of a record in which every string is valid UTF-8.
func repaired(r *record.Record) record.Record {
	fixed := *r
	for f, info := range record.Fields {
		if info.Type == record.String {
			s := fixed.Str(record.Field(f))
			*s = strings.ToValidUTF8(*s, "\uFFFD")
		}
	}
	fixed.UTF8 = true
	return fixed
}

// maxLabelBytes is what Google keeps of a label's value; it drops the rest
// without a word. https://cloud.google.com/logging/quotas
const maxLabelBytes = 64 << 10

// shortLabel is a value that fits into a label.
func shortLabel(s string) string {
	if len(s) <= maxLabelBytes {
		return s
	}
	return cutString(s, maxLabelBytes-64) + cutMark(len(s))
}

// cutMark stands where the rest of n bytes is missing.
func cutMark(n int) string { return "…[cut from " + strconv.Itoa(n) + " bytes]" }

// cut appends the entry with its longest fields shortened until it fits. Each
// of them ends in a mark with its original length. size is that of the whole
// entry. The strings of r are valid.
func (e *encoder) cut(dst []byte, r *record.Record, now time.Time, size int) []byte {
	c := *r
	start := len(dst)
	whole := strconv.Itoa(size)
	lengths := make(map[record.Field]int) // original lengths of the cut fields
	for range 4 * int(record.NumFields) {
		f := longest(&c)
		s := c.Str(f)
		if _, again := lengths[f]; !again {
			lengths[f] = len(*s)
		}
		// A field may be in the entry twice, so more than the excess may go;
		// the next round takes what is still too much.
		keep := max(0, min(len(*s)-1, len(*s)-(size-maxEntryBytes)/2-128))
		*s = cutString(*s, keep) + cutMark(lengths[f])
		if dst, size = e.entry(dst[:start], &c, now, whole); size <= maxEntryBytes {
			return dst
		}
	}
	// Not reached with the field table: 41 short strings fit. The server has
	// the last word on whatever this is.
	return dst
}

// longest is the longest string field.
func longest(r *record.Record) record.Field {
	best := record.Text
	for f := record.Field(0); f < record.NumFields; f++ {
		if record.Fields[f].Type == record.String && f != record.Position && len(*r.Str(f)) > len(*r.Str(best)) {
			best = f
		}
	}
	return best
}

// cutString returns the first n bytes of s, or less, so that no character is
// cut in two.
func cutString(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
