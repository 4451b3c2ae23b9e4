package redact

// edge is what stands before a chain of digits.
type edge uint8

const (
	open     edge = iota // nothing, or a mark
	lettered             // a letter: it may belong to an id
	closed               // the digits belong to a longer number
)

func edgeAfter(u unit) edge {
	if u.kind == letter {
		return lettered
	}
	return open
}

// maxWord is how far a word is read on either side of a number. It bounds the
// work on a line that is one word.
const maxWord = 40

// besideWord judges a number in groups g to h that has a letter on a side. In
// "VISA4111…" and "4111…USD" it is a card number beside a word; in
// "9be4111…f03" it is a piece of a hexadecimal id, of which there are so many
// that some pass every other test. Digits in groups count only in the usual ones.
func (r *Redactor) besideWord(line []byte, g, h int) bool {
	if h > g && !r.inLayout(g, h) {
		return false
	}
	if r.eager {
		return true
	}
	first, last := r.digits[r.groups[g]], r.digits[r.groupEnd(h)-1]
	from, to := int(first.at), int(last.at)+int(last.width)
	s, e := from, to
	for s > 0 && from-s < maxWord && (isLetter(line[s-1]) || isDigit(line[s-1])) {
		s--
	}
	for e < len(line) && e-to < maxWord && (isLetter(line[e]) || isDigit(line[e])) {
		e++
	}
	if s > 0 && line[s-1] == '%' && s+2 <= from {
		s += 2 // %2C is no part of the word after it
	}
	before, after := line[s:from], line[to:e]
	if len(before) >= 2 && before[0] == '0' && before[1]|0x20 == 'x' {
		before = before[2:] // 0x…
		if len(before) == 0 && allHex(after) {
			return false
		}
	}
	if len(before) == 0 && len(after) == 0 {
		return true // the letter is encoded
	}
	if !allHex(before) || !allHex(after) {
		return true
	}
	// "cc4111…" is hexadecimal, too. No usual id has 17 to 19 characters, but those of AWS, and they begin with a digit.
	n := len(before) + r.groupEnd(h) - r.groups[g] + len(after)
	return n >= 17 && n <= 19 && (len(before) == 0 || len(after) == 0) && allLetters(before) && allLetters(after)
}

// inLayout reports whether groups g to h are one of layouts.
func (r *Redactor) inLayout(g, h int) bool {
	for _, sizes := range layouts {
		if len(sizes) == h-g+1 && r.laidOutAs(sizes, g) {
			return true
		}
	}
	return false
}

func allHex(b []byte) bool {
	for _, c := range b {
		if hexDigit(c) > 15 {
			return false
		}
	}
	return true
}

func allLetters(b []byte) bool {
	for _, c := range b {
		if !isLetter(c) {
			return false
		}
	}
	return true
}
