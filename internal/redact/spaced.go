package redact

// layouts are the groups in which card numbers are printed and read out, the
// longest first.
var layouts = [][]int{{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}}

// maxWide is how many spaces, dashes or dots may stand between two groups.
const maxWide = 2

// spaced masks card numbers whose groups are parted by dots, or by more than
// one space or dash. Version numbers and tables of figures look the same, so
// that only the usual groups count, and no longer row of groups with dots.
func (r *Redactor) spaced(line []byte, i, end int, start edge, c *Counts) {
	r.digits, r.groups, r.dotted = r.digits[:0], r.groups[:0], r.dotted[:0]
	gaps, dot := 0, false
	for i < end {
		u := unitAt(line, i)
		switch {
		case u.kind == number:
			if len(r.digits) == 0 || gaps > 0 {
				r.groups = append(r.groups, len(r.digits))
				r.dotted = append(r.dotted, dot)
			}
			r.digits = append(r.digits, digit{int32(i), uint8(min(u.width, 255)), u.char - '0'})
			gaps, dot = 0, false
		case (u.kind == gap || u.char == '.') && gaps < maxWide:
			gaps++
			dot = u.char == '.' && gaps == 1
			if len(r.digits) == 0 {
				start = open
			}
		default:
			r.laidOut(line, start, c)
			r.digits, r.groups, r.dotted = r.digits[:0], r.groups[:0], r.dotted[:0]
			start, gaps, dot = edgeAfter(u), 0, false
		}
		i += u.width
	}
	r.laidOut(line, start, c)
}

// laidOut masks the card numbers among the groups read so far.
func (r *Redactor) laidOut(line []byte, start edge, c *Counts) {
	if len(r.digits) < minDigits {
		return
	}
	next := r.after(line)
	for g := 0; g < len(r.groups); g++ {
		if r.dotted[g] {
			continue
		}
		h := r.layout(g)
		if h == 0 {
			continue
		}
		card := r.digits[r.groups[g]:r.groupEnd(h)]
		last := h == len(r.groups)-1
		if !luhn(card) || last && next.kind == number {
			continue
		}
		if (g == 0 && start == lettered || last && next.kind == letter) && !r.besideWord(line, g, h) {
			continue
		}
		if r.mask(line, card) {
			c.Cards++
		}
	}
}

// layout returns the last group of a number in one of the layouts that begins
// with group g and is of an issuer, or 0.
func (r *Redactor) layout(g int) int {
	for _, sizes := range layouts {
		h := g + len(sizes) - 1
		if h >= len(r.groups) || !r.laidOutAs(sizes, g) {
			continue
		}
		if n := r.groupEnd(h) - r.groups[g]; !issued(r.six(r.groups[g]), n) || h+1 < len(r.groups) && r.dotted[h+1] {
			continue
		}
		return h
	}
	return 0
}

// laidOutAs reports whether the groups from g on have the given sizes.
func (r *Redactor) laidOutAs(sizes []int, g int) bool {
	for k, size := range sizes {
		if r.groupEnd(g+k)-r.groups[g+k] != size {
			return false
		}
	}
	return true
}
