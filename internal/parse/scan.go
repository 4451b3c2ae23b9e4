package parse

// kind of a JSON value.
type kind uint8

const (
	invalid kind = iota
	text
	number
	yes
	no
	null
	object
	array
)

// value is one JSON value: where it stands in the line and what it holds.
type value struct {
	kind      kind
	escaped   bool // somewhere in it a string has a backslash
	high      bool // somewhere in it is a byte >= 0x80
	from, end int  // its bytes; of a string without the quotes
}

// raw returns the bounds of the value with the quotes of a string.
func (v value) raw() (from, end int) {
	if v.kind == text {
		return v.from - 1, v.end + 1
	}
	return v.from, v.end
}

// maxDepth bounds how deep arrays and objects may nest.
const maxDepth = 64

// scanner checks JSON against RFC 8259 and says where its values are; it
// decodes nothing. After an invalid value, fault says why.
type scanner struct {
	b     []byte
	marks []uint64 // set by mark
	fault string
}

// space skips JSON whitespace.
func (s *scanner) space(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\t' || s.b[i] == '\n' || s.b[i] == '\r') {
		i++
	}
	return i
}

// fail notes the fault found at i: broken, or cut off when i is the end.
func (s *scanner) fail(i int) (value, int) {
	if s.fault == "" {
		s.fault = ProblemBroken
		if i >= len(s.b) {
			s.fault = ProblemTruncated
		}
	}
	return value{}, i
}

// value scans the value at i, which is no space, and returns what follows it.
func (s *scanner) value(i, depth int) (value, int) {
	if i >= len(s.b) {
		return s.fail(i)
	}
	switch c := s.b[i]; c {
	case '"':
		return s.text(i + 1)
	case '{', '[':
		return s.nested(i, depth)
	case 't':
		return s.literal(i, "true", yes)
	case 'f':
		return s.literal(i, "false", no)
	case 'n':
		return s.literal(i, "null", null)
	default:
		if c == '-' || isDigit(c) {
			return s.number(i)
		}
		return s.fail(i)
	}
}

// Flags of a string.
const (
	hasEscape = 1 << iota
	hasHigh
)

// text scans a string whose first byte after the quote is at i.
func (s *scanner) text(i int) (value, int) {
	end, flags := s.str(i)
	if end < 0 {
		return value{}, i
	}
	return value{text, flags&hasEscape != 0, flags&hasHigh != 0, i, end}, end + 1
}

// str returns where the string ends that begins at i, or -1.
func (s *scanner) str(i int) (end int, flags uint8) {
	b := s.b
	for {
		i = s.special(i)
		if i >= len(b) {
			s.fail(i)
			return -1, 0
		}
		switch c := b[i]; {
		case c == '"':
			return i, flags
		case c == '\\':
			flags |= hasEscape
			n := escapeWidth(b[i:])
			if n == 0 {
				if len(b)-i < 2 || (b[i+1] == 'u' && len(b)-i < 6) {
					i = len(b)
				}
				s.fail(i)
				return -1, 0
			}
			i += n
		case c < 0x20:
			s.fail(i)
			return -1, 0
		default:
			flags |= hasHigh
			i++
		}
	}
}

// escapeWidth returns the length of the escape b begins with, 0 for none.
func escapeWidth(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

func (s *scanner) literal(i int, word string, k kind) (value, int) {
	end := i + len(word)
	if end > len(s.b) {
		for j := i; j < len(s.b); j++ {
			if s.b[j] != word[j-i] {
				return s.fail(j)
			}
		}
		return s.fail(len(s.b))
	}
	if string(s.b[i:end]) != word {
		return s.fail(i)
	}
	return value{kind: k, from: i, end: end}, end
}

// number scans -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?.
func (s *scanner) number(i int) (value, int) {
	v := value{kind: number, from: i}
	if s.b[i] == '-' {
		i++
	}
	zero := i < len(s.b) && s.b[i] == '0'
	j := s.digits(i)
	if j == i || (zero && j > i+1) {
		return s.fail(j)
	}
	i = j
	if i < len(s.b) && s.b[i] == '.' {
		if j = s.digits(i + 1); j == i+1 {
			return s.fail(j)
		}
		i = j
	}
	if i < len(s.b) && s.b[i]|0x20 == 'e' {
		i++
		if i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		if j = s.digits(i); j == i {
			return s.fail(j)
		}
		i = j
	}
	v.end = i
	return v, i
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && isDigit(s.b[i]) {
		i++
	}
	return i
}

// nested scans an array or object.
func (s *scanner) nested(i, depth int) (value, int) {
	if depth >= maxDepth {
		s.fault = ProblemTooDeep
		return value{}, i
	}
	v := value{kind: object, from: i}
	end := byte('}')
	if s.b[i] == '[' {
		v.kind, end = array, ']'
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == end {
		v.end = i + 1
		return v, i + 1
	}
	for {
		var e value
		if v.kind == object {
			if e, i = s.key(i); e.kind == invalid {
				return value{}, i
			}
			v.escaped, v.high = v.escaped || e.escaped, v.high || e.high
		}
		if e, i = s.value(i, depth+1); e.kind == invalid {
			return value{}, i
		}
		v.escaped, v.high = v.escaped || e.escaped, v.high || e.high
		i = s.space(i)
		switch {
		case i < len(s.b) && s.b[i] == ',':
			i = s.space(i + 1)
		case i < len(s.b) && s.b[i] == end:
			v.end = i + 1
			return v, i + 1
		default:
			return s.fail(i)
		}
	}
}

// key scans a key and the colon after it, and returns where the value begins.
func (s *scanner) key(i int) (value, int) {
	if i >= len(s.b) || s.b[i] != '"' {
		return s.fail(i)
	}
	k, i := s.text(i + 1)
	if k.kind == invalid {
		return k, i
	}
	if i = s.space(i); i >= len(s.b) || s.b[i] != ':' {
		return s.fail(i)
	}
	return k, s.space(i + 1)
}

// hex4 reads four hexadecimal digits.
func hex4[T string | []byte](b T) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		switch c := b[i]; {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
