package redact

import "bytes"

// Cut is [Redactor.Line] for a line whose end is missing. Beside what Line
// masks, it masks at the end of the line what may be the beginning of a card
// number, all but the first six digits, and the beginning of a secret.
func (r *Redactor) Cut(line []byte) Counts {
	var sum Counts
	for _, s := range r.secrets {
		sum.Secrets += count(blankTail(line, s.text))
	}
	for {
		cut := count(r.tail(line))
		c := r.Line(line)
		sum.Cards += cut + c.Cards
		sum.Secrets += c.Secrets
		if cut == 0 && c == (Counts{}) {
			return sum
		}
		// What Line masked may part the end of the line from what was before it.
	}
}

// cutShort reports whether line is JSON that ends too early: Fastly cuts a message
// that is too long. Asked only where a card number may stand at the end.
func (r *Redactor) cutShort(line []byte) bool {
	r.rewind()
	r.bare(line, len(line))
	return r.depth > 0
}

// tail masks the digits at the end of line but for the first six, when they may
// be the beginning of a card number that goes on. That comes before whole numbers
// are looked for: the first 16 digits of a number of 19 may look like one.
func (r *Redactor) tail(line []byte) (changed bool) {
	from := len(line)
	for from > 0 && inCard[line[from-1]] {
		from--
	}
	r.digits, r.groups = r.digits[:0], r.groups[:0]
	inGroup := false
	for i := synchronise(line, from); i < len(line) && !torn(line, i); {
		u := unitAt(line, i)
		switch {
		case u.kind == number:
			if !inGroup {
				r.groups = append(r.groups, len(r.digits))
			}
			r.digits = append(r.digits, digit{int32(i), uint8(min(u.width, 255)), u.char - '0'})
		case u.kind != gap && u.char != '.':
			r.digits, r.groups = r.digits[:0], r.groups[:0]
		}
		inGroup = u.kind == number
		i += u.width
	}
	for _, g := range r.groups {
		n := len(r.digits) - g
		if n <= 6 {
			break
		}
		if n >= maxDigits || lengthsOf(r.six(g))>>(n+1) == 0 {
			continue
		}
		r.rewind()
		fill := byte('x')
		if r.bare(line, int(r.digits[g].at)) {
			fill = '0'
		}
		for _, d := range r.digits[g+6:] {
			changed = d.overwrite(line, fill) || changed
		}
		break
	}
	return changed
}

// torn reports whether the line ends within the escape that begins at i.
func torn(line []byte, i int) bool {
	n := i + 1
	switch line[i] {
	case '%':
		for n+1 < len(line) && line[n] == '2' && line[n+1] == '5' {
			n += 2
		}
		return n+1 >= len(line)
	case '\\':
		for n < len(line) && line[n] == '\\' {
			n++
		}
		return n == len(line) || line[n] == 'u' && n+4 >= len(line) || line[n] == 'x' && n+2 >= len(line)
	}
	return false
}

// blankTail masks the longest beginning of secret that line ends with.
func blankTail(line, secret []byte) (changed bool) {
	for n := min(len(secret)-1, len(line)); n >= minSecret; n-- {
		if from := len(line) - n; bytes.Equal(line[from:], secret[:n]) {
			return blank(line, from, len(line))
		}
	}
	return false
}
