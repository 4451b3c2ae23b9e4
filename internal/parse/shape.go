package parse

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"

	"edgewarden/internal/record"
)

// shape is what the parser expects as the n-th key of an object, because the
// last line had it there. Lines of one format have one shape, so that most
// keys cost one comparison, and their values are read as the type they should
// have. What is not as expected is read the general way, with the same result.
type shape struct {
	literal []byte // `"key":`
	key     int16  // index into targets, or -1
	field   record.Field
	form    form
	short   bool      // literal fits into words
	words   [3]uint64 // literal, and which bits of words belong to it
	masks   [3]uint64
	hash    uint64 // of an unknown key
}

// The shape is bounded: a client cannot make it grow by inventing keys.
const (
	maxShape   = 64
	maxLiteral = 64
)

const wordsLen = 8 * len(shape{}.words)

// form is how the value of a key can be read in one go.
type form uint8

const (
	inGeneral   form = iota
	plainText        // into a string field, as it is
	pathText         // the same when it has no query
	queryText        // the same when it has no question mark
	countryText      // the same when it is two capitals
	addressText      // an address, not the same as the field
	wholeNumber
	boolean
	timeText
)

// formOf returns the form of a target.
func formOf(t *target) form {
	switch typ := record.Fields[t.field].Type; {
	case t.rank > 0:
		return inGeneral
	case t.how == asTime:
		return timeText
	case t.how == asPath:
		return pathText
	case t.how == asQuery:
		return queryText
	case t.how == asCountry:
		return countryText
	case t.how == asAddress:
		return addressText
	case t.how != asField:
		return inGeneral
	case typ == record.Int:
		return wholeNumber
	case typ == record.Bool:
		return boolean
	default:
		return plainText
	}
}

// learn notes that the n-th key was this one.
func (p *Parser) learn(n int, name value, key int16, hash uint64) {
	if name.escaped || name.high || n > len(p.shape) || n >= maxShape ||
		name.end-name.from+3 > maxLiteral || name.end+1 >= len(p.line) || p.line[name.end+1] != ':' {
		return
	}
	if n == len(p.shape) {
		p.shape = append(p.shape, shape{})
	}
	sh := &p.shape[n]
	sh.literal = append(sh.literal[:0], p.line[name.from-1:name.end+2]...)
	sh.key, sh.hash, sh.form = key, hash, inGeneral
	if key >= 0 {
		sh.form, sh.field = targets[key].form, targets[key].field
	}
	if sh.short = len(sh.literal) <= wordsLen; !sh.short {
		return
	}
	var text, mask [wordsLen]byte
	for i, c := range sh.literal {
		text[i], mask[i] = c, 0xff
	}
	for i := range sh.words {
		sh.words[i] = binary.LittleEndian.Uint64(text[8*i:])
		sh.masks[i] = binary.LittleEndian.Uint64(mask[8*i:])
	}
}

// expected returns the n-th key of the shape if it stands at i.
func (p *Parser) expected(i, n int) *shape {
	if n < len(p.shape) && bytes.HasPrefix(p.line[i:], p.shape[n].literal) {
		return &p.shape[n]
	}
	return nil
}

// differs is 0 when a short literal stands at b.
func (sh *shape) differs(b *[len(shape{}.words)][8]byte) uint64 {
	return (binary.LittleEndian.Uint64(b[0][:])^sh.words[0])&sh.masks[0] |
		(binary.LittleEndian.Uint64(b[1][:])^sh.words[1])&sh.masks[1] |
		(binary.LittleEndian.Uint64(b[2][:])^sh.words[2])&sh.masks[2]
}

// asLast reads pairs from the n-th on, which begins at i, as long as they are
// like those of the last line and a comma and a quote follow. It returns where
// and at which pair it ended, and whether that one was read.
func (p *Parser) asLast(i, n int) (int, int, bool) {
	b, shape := p.line, p.shape
	for ; n < len(shape); n++ {
		sh := &shape[n]
		if len(b)-i >= wordsLen && sh.short {
			if sh.differs((*[len(sh.words)][8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))) != 0 {
				break
			}
		} else if p.expected(i, n) == nil {
			break
		}
		next := 0
		if v := i + len(sh.literal); sh.form != plainText {
			next = p.typed(sh, i)
		} else if v < len(b) && b[v] == '"' { // most of them, without a call
			if end := p.scan.special(v + 1); end < len(b) && b[end] == '"' {
				if p.first(sh.key) {
					*p.rec.Str(sh.field) = unset(p.src[v+1 : end])
				}
				next = end + 1
			}
		}
		if next == 0 {
			break
		}
		if len(b)-next < 2 || b[next] != ',' || b[next+1] != '"' || p.fatal != "" {
			return next, n, true
		}
		i = next + 1
	}
	return i, n, false
}

// typed reads the value of the pair at i as what the key should have, and
// returns what follows it; 0 when it is written in any other way, which then is
// to be read in general.
func (p *Parser) typed(sh *shape, i int) int {
	at := i + len(sh.literal)
	switch sh.form {
	case pathText, queryText, countryText, addressText:
		return p.typedText(sh, at)
	case wholeNumber:
		return p.typedNumber(sh, at)
	case boolean:
		return p.typedBool(sh, at)
	case timeText:
		return p.typedTime(sh, at)
	}
	if at < len(p.line) && p.line[at] == '"' {
		if v, next := p.scan.text(at + 1); v.kind == text {
			p.member(value{kind: text, from: i + 1, end: at - 2}, sh.key, sh.hash, v)
			return next
		}
	}
	return 0
}

func (p *Parser) typedText(sh *shape, i int) int {
	b := p.line
	if i >= len(b) || b[i] != '"' {
		return 0
	}
	end := p.scan.special(i + 1)
	if end >= len(b) || b[end] != '"' {
		return 0
	}
	s := unset(p.src[i+1 : end])
	if !sh.form.asItIs(s) {
		return 0
	}
	if p.first(sh.key) {
		if sh.form == addressText && s != "" {
			p.applyAddress(s)
		} else {
			*p.rec.Str(sh.field) = s
		}
	}
	return end + 1
}

// asItIs reports whether a text becomes its field without a change, or is an address, which has a way of its own.
func (f form) asItIs(s string) bool {
	switch f {
	case pathText:
		return strings.IndexByte(s, '?') < 0
	case queryText:
		return s == "" || s[0] != '?'
	case countryText:
		return s == "" || len(s) == 2 && isCapital(s[0]) && isCapital(s[1])
	}
	return true
}

func isCapital(c byte) bool { return c >= 'A' && c <= 'Z' }

// typedNumber reads a number of up to 18 digits, which none of int64 exceeds.
func (p *Parser) typedNumber(sh *shape, i int) int {
	b := p.line
	n, end := shortNumber(b, i)
	if end == 0 {
		n, end = longNumber(b, i)
	}
	if end == 0 || !endsScalar(b, end) {
		return 0
	}
	if p.first(sh.key) {
		p.rec.SetInt(sh.field, n)
	}
	return end
}

// shortNumber reads a number of up to seven digits at i, all at once, and
// returns where it ends; 0 when there is none, or another.
func shortNumber(b []byte, i int) (n int64, end int) {
	if len(b)-i < 8 {
		return 0, 0
	}
	w := binary.LittleEndian.Uint64(b[i:]) ^ '0'*lows            // digits are now their values
	other := (w&^highs + 0x76*lows | w) & highs                  // where there is none
	digits := bits.TrailingZeros64(other) >> 3                   // 8: all are
	if digits == 0 || digits == 8 || w&0xff == 0 && digits > 1 { // a leading zero is no JSON
		return 0, 0
	}
	w <<= 64 - 8*digits // zeros in front
	w = w*10 + w>>8     // pairs, in every other byte
	w = (w&0x000000ff000000ff*(100+1000000<<32) + w>>16&0x000000ff000000ff*(1+10000<<32)) >> 32
	return int64(w), i + digits
}

func longNumber(b []byte, i int) (n int64, end int) {
	from := i
	for i < len(b) && isDigit(b[i]) && i-from < 19 {
		n = n*10 + int64(b[i]-'0')
		i++
	}
	if i == from || i-from > 18 || b[from] == '0' && i-from > 1 {
		return 0, 0
	}
	return n, i
}

func (p *Parser) typedBool(sh *shape, i int) int {
	b, yes := p.line, false
	switch {
	case len(b)-i > 4 && string(b[i:i+4]) == "true":
		i, yes = i+4, true
	case len(b)-i > 5 && string(b[i:i+5]) == "false":
		i += 5
	default:
		return 0
	}
	if p.first(sh.key) {
		p.rec.SetBool(sh.field, yes)
		if sh.key == firstHop {
			p.ours = yes
		}
	}
	return i
}

// typedTime reads a time of our own format on the day of the last one.
func (p *Parser) typedTime(sh *shape, i int) int {
	usec, n := p.day.time(p.line[i:])
	if n == 0 {
		return 0
	}
	if p.first(sh.key) {
		p.unzoned = false
		p.rec.SetTime(record.Timestamp, fromMicro(usec))
	}
	return i + n
}

// first notes that a key was seen, and is false with a fatal fault when it was
// before.
func (p *Parser) first(key int16) bool {
	if p.seen.add(key) {
		p.fatal = ProblemDuplicateKey
		return false
	}
	return true
}

// endsScalar reports whether a number may end before i. Anything but these ends
// it in general, too, or makes it another number.
func endsScalar(b []byte, i int) bool { return i < len(b) && (b[i] == ',' || b[i] == '}') }
