package redact

// The shortest and longest card number.
const (
	minDigits = 13
	maxDigits = 19
)

// digit is one digit of a chain and where it stands.
type digit struct {
	at    int32 // its first byte in the line
	width uint8 // its bytes: more than one when it is encoded
	value uint8
}

// inCard has the bytes that may stand within a card number, however it is
// written: digits, spaces, dashes, dots, and those of %20, %2D, \u0020 and \x2d.
var inCard = func() (t [256]bool) {
	for _, c := range []byte(`0123456789 -+.%\udDx`) {
		t[c] = true
	}
	return t
}()

// cards masks card numbers. A card number covers at least 13 bytes of inCard
// in a row, so it is enough to look at the thirteenth byte after one that is
// not of them, and from there back to the next that is not.
func (r *Redactor) cards(line []byte, c *Counts) {
	from := 0 // a run begins here at the earliest
	for i := minDigits - 1; i < len(line); i = from + minDigits - 1 {
		for i >= from && inCard[line[i]] {
			i--
		}
		if i >= from {
			from = i + 1
			continue
		}
		end := from + minDigits
		for end < len(line) && inCard[line[end]] {
			end++
		}
		if enoughDigits(line, from, end) {
			r.run(line, from, end, c)
		}
		from = end + 1
	}
}

// enoughDigits is false for a run in which no card number can be. An encoded
// digit is written with digits, too, so it is enough to count those; not the
// first, when a letter before them says that they are the end of a word, unless
// they may be a whole number or the first four of one.
func enoughDigits(line []byte, from, end int) bool {
	i, n := from, 0
	if from > 0 && touches(line, from) && synchronise(line, from) == from {
		for i < end && isDigit(line[i]) {
			i++
		}
		if first := i - from; first >= minDigits || first == layouts[0][0] || i < end && (line[i] == '%' || line[i] == '\\') {
			n = first
		}
	}
	for _, c := range line[i:end] {
		if isDigit(c) {
			n++
		}
	}
	return n >= minDigits
}

// run judges the numbers in line[from:end], all of it bytes of inCard.
func (r *Redactor) run(line []byte, from, end int, c *Counts) {
	i := synchronise(line, from)
	start := open
	if i > 0 && touches(line, i) {
		start = lettered
	}
	if wide := r.chains(line, i, end, start, c); wide {
		r.spaced(line, i, end, start, c)
	}
	for j := from; j+3 < end; j++ {
		if line[j] == '%' && isDigit(line[j+1]) && isDigit(line[j+2]) {
			r.afterPercent(line, j, end, c)
		}
	}
}

// chains reads the characters of line[i:end] and judges each chain: groups of
// digits parted by single gaps. It reports whether there was a wide gap.
func (r *Redactor) chains(line []byte, i, end int, start edge, c *Counts) (wide bool) {
	r.digits, r.groups = r.digits[:0], r.groups[:0]
	before := other // the unit before this one
	for i < end {
		u := unitAt(line, i)
		here := edgeAfter(u)
		switch u.kind {
		case number:
			if before != number {
				r.groups = append(r.groups, len(r.digits))
			}
			r.digits = append(r.digits, digit{int32(i), uint8(min(u.width, 255)), u.char - '0'})
		case gap:
			if before != number {
				wide = true
				r.chain(line, i, start, c)
			}
		default:
			r.chain(line, i, start, c)
			if u.char == '.' && u.width == 1 {
				wide = true
				if before == number {
					here = closed // the fraction of a number
				}
			}
		}
		if len(r.digits) == 0 {
			start = here
		}
		before = u.kind
		i += u.width
	}
	r.chain(line, min(i, len(line)), start, c)
	return wide
}

// afterPercent judges the number right behind the percent sign at j, which the
// decoding took for a letter or a mark and two digits less: "100%4111…" was
// never encoded.
func (r *Redactor) afterPercent(line []byte, j, end int, c *Counts) {
	if k := percentUnit(line, j).kind; k != letter && k != other {
		return
	}
	i, n := j+1, 0
	for ; i < end && i-j <= 2*maxDigits && line[i] != '%' && line[i] != '\\'; i++ {
		if isDigit(line[i]) {
			n++
		}
	}
	if n >= minDigits {
		r.chains(line, j+1, i, open, c)
	}
}

// synchronise returns where to begin decoding so that an escape which reaches
// into the run is not taken for text: the A of %A4 and the n of \n are in no
// card, but belong to one character with what follows or precedes.
func synchronise(line []byte, from int) int {
	for i := from - 1; i >= 0 && i >= from-6; i-- {
		switch c := line[i]; {
		case c == '%' || c == '\\':
			for c == '\\' && i > 0 && line[i-1] == '\\' {
				i--
			}
			return i
		case !isLetter(c) && !isDigit(c):
			return from
		}
	}
	return from
}

// touches reports whether a letter or digit stands right before i.
func touches(line []byte, i int) bool { return isLetter(line[i-1]) || isDigit(line[i-1]) }

// chain judges the digits read so far and forgets them. i is where the line
// goes on after them.
func (r *Redactor) chain(line []byte, i int, start edge, c *Counts) {
	if len(r.digits) >= minDigits {
		r.judge(line, i, start, c)
	}
	r.digits, r.groups = r.digits[:0], r.groups[:0]
}

func (r *Redactor) judge(line []byte, i int, start edge, c *Counts) {
	next := r.after(line)
	for g := 0; g < len(r.groups); g++ {
		if g > 0 {
			start = open
		}
		if start == closed {
			continue
		}
		h := r.longest(line, g, start, next)
		if h < 0 {
			continue
		}
		card := r.digits[r.groups[g]:r.groupEnd(h)]
		if r.mask(line, card) {
			c.Cards++
		}
		if h == len(r.groups)-1 && r.maskTrack2(line, card) {
			c.Secrets++
		}
		g = h
	}
}

// after returns the unit that follows the last digit.
func (r *Redactor) after(line []byte) unit {
	d := r.digits[len(r.digits)-1]
	if i := int(d.at) + int(d.width); i < len(line) {
		return unitAt(line, i)
	}
	return unit{}
}

func (r *Redactor) groupEnd(h int) int {
	if h+1 < len(r.groups) {
		return r.groups[h+1]
	}
	return len(r.digits)
}

// longest returns the last group of the longest card number that begins with
// group g, or -1. start is what stands before it, next what follows the chain.
func (r *Redactor) longest(line []byte, g int, start edge, next unit) int {
	found := -1
	from := r.groups[g]
	for h := g; h < len(r.groups); h++ {
		end := r.groupEnd(h)
		n := end - from
		if n > maxDigits {
			break
		}
		if n < minDigits || !issued(r.six(from), n) || !r.grouping(g, h) {
			continue
		}
		card := r.digits[from:end]
		if !luhn(card) || h > g && !r.eager && inUUID(line, int(card[0].at)) {
			continue
		}
		touched := start == lettered
		if end == len(r.digits) && (next.kind == letter || next.kind == number) && r.track2(line, card) == 0 {
			if next.kind == number {
				continue
			}
			touched = true
		}
		if !touched || r.besideWord(line, g, h) {
			found = h
		}
	}
	return found
}

func (r *Redactor) six(from int) int {
	n := 0
	for _, d := range r.digits[from : from+6] {
		n = n*10 + int(d.value)
	}
	return n
}

// grouping reports whether people write card numbers in groups like g to h: at
// least three digits each, but for the last. Other groupings count only when
// nothing stands beside them, so that no list of small numbers contains a card.
func (r *Redactor) grouping(g, h int) bool {
	if g == 0 && h == len(r.groups)-1 {
		return true
	}
	for k := g; k < h; k++ {
		if r.groups[k+1]-r.groups[k] < 3 {
			return false
		}
	}
	return true
}

// mask overwrites all digits but the first six and the last four. It reports
// whether that changed anything.
func (r *Redactor) mask(line []byte, card []digit) (changed bool) {
	fill := byte('x')
	if r.bare(line, int(card[0].at)) {
		fill = '0'
	}
	for _, d := range card[6 : len(card)-4] {
		changed = d.overwrite(line, fill) || changed
	}
	return changed
}

// overwrite masks one digit. An encoded one becomes an encoded x.
func (d digit) overwrite(line []byte, fill byte) (changed bool) {
	at := line[d.at : int(d.at)+int(d.width)]
	if len(at) == 1 {
		changed = at[0] != fill
		at[0] = fill
		return changed
	}
	at[len(at)-2], at[len(at)-1] = '7', '8'
	return true
}

// inUUID reports whether the byte at i belongs to a UUID: 8-4-4-4-12
// hexadecimal digits.
func inUUID(line []byte, i int) bool {
	const size = 36
	for from := max(0, i-size+1); from <= i && from+size <= len(line); from++ {
		if uuid(line[from : from+size]) {
			return true
		}
	}
	return false
}

func uuid(b []byte) bool {
	for i, c := range b {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if hexDigit(c) > 15 {
				return false
			}
		}
	}
	return true
}
