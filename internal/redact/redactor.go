package redact

import (
	"bytes"
	"slices"
)

// Counts says what was masked in a line.
type Counts struct {
	Cards   int // card numbers
	Secrets int // values of secret keys, track data, tokens
}

// Redactor masks card data and secrets in raw lines, in place. Not safe for concurrent use.
type Redactor struct {
	secrets []needle

	digits []digit // of the chain being read
	groups []int   // where each group begins in digits
	dotted []bool  // whether a single dot stands before the group

	eager  bool     // whether a number beside letters is masked whatever they are
	user   userinfo // of the last at sign
	within int      // where the last value that is an object or a list ends; all in it is masked

	vectors bool      // whether lines are classified 32 bytes at a time
	blocks  []classes // of the line, then

	// Where bare has got to in the line.
	quoteAt  int
	inString bool
	depth    int // of braces and brackets outside strings
}

// minSecret is the length below which a secret is not searched for: it would
// be found in every other word.
const minSecret = 4

// New returns a Redactor that besides card data masks each of the given secrets wherever it stands,
// also in its percent-encoded and JSON-escaped form. Secrets shorter than four
// bytes are ignored.
func New(secrets ...[]byte) *Redactor {
	r := &Redactor{vectors: hasVectors}
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		for _, form := range spellings(s) {
			if !slices.ContainsFunc(r.secrets, func(n needle) bool { return bytes.Equal(n.text, form) }) {
				r.secrets = append(r.secrets, newNeedle(form))
			}
		}
	}
	return r
}

// Line masks line in place; its length never changes. A second call changes
// nothing more.
func (r *Redactor) Line(line []byte) Counts {
	var sum Counts
	for n := 1; ; n++ {
		r.eager = eagerPass(n)
		c := r.pass(line)
		if c == (Counts{}) && !r.eager {
			return sum
		}
		// What was masked may be the neighbour that hid something else. Each
		// pass masks at least one byte more, so this ends.
		sum.Cards += c.Cards
		sum.Secrets += c.Secrets
	}
}

// maxPasses is more than a line needs that nobody made for it. In one of
// "e4111111111111111" again and again each number is hidden by the next: it would
// be read a thousand times.
const maxPasses = 8

// eagerPass reports whether the n-th pass over a line masks numbers whose
// neighbours would hide them, which ends such a row at once. Every other one does,
// and only one that does not is the last: so a second call finds nothing more.
func eagerPass(n int) bool { return n > maxPasses && n%2 == 0 }

// pass masks what it finds and counts what it changed.
func (r *Redactor) pass(line []byte) Counts {
	var c Counts
	r.within = 0
	if n := len(line); n > 0 && inCard[line[n-1]] && r.cutShort(line) {
		c.Cards += count(r.tail(line))
	}
	r.rewind()
	for _, s := range r.secrets {
		c.Secrets += r.maskSecret(line, s)
	}
	if !r.vectors {
		c.Secrets += r.pairs(line)
		r.rewind()
		r.cards(line, &c)
		return c
	}
	marks := r.classify(line)
	c.Secrets += r.classifiedPairs(line, marks)
	r.rewind()
	r.classifiedCards(line, &c)
	return c
}

func (r *Redactor) rewind() { r.quoteAt, r.inString, r.depth = 0, false, 0 }

// bare reports whether position i stands in JSON outside any string. Asked in
// rising order of i it reads the line once.
func (r *Redactor) bare(line []byte, i int) bool {
	if i < r.quoteAt {
		r.rewind()
	}
	for ; r.quoteAt < i; r.quoteAt++ {
		switch c := line[r.quoteAt]; {
		case r.depth == 0:
			if c == '{' && opensJSON(line, r.quoteAt) {
				r.depth = 1
			}
		case c == '"':
			r.inString = !r.inString
		case r.inString && c == '\\':
			if r.quoteAt+1 >= i {
				return false
			}
			r.quoteAt++
		case r.inString:
		case c == '{' || c == '[':
			r.depth++
		case c == '}' || c == ']':
			r.depth--
		}
	}
	return r.depth > 0 && !r.inString
}

// opensJSON reports whether the brace at i looks like the beginning of an
// object and not like a part of a URL.
func opensJSON(line []byte, i int) bool {
	if i > 0 && line[i-1] != ' ' && line[i-1] != ':' && line[i-1] != '>' && line[i-1] != 0xbf { // the last for a byte order mark
		return false
	}
	for i++; i < len(line); i++ {
		if c := line[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c == '"' || c == '}'
		}
	}
	return false
}
