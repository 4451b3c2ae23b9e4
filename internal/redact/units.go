package redact

// kind is what a unit means once decoded.
type kind uint8

const (
	other  kind = iota // anything that may stand beside a card number
	number             // a decimal digit
	letter             // an ASCII letter
	gap                // a space or dash, which may part groups of digits
)

// unit is one character of the line, however it is encoded.
type unit struct {
	kind  kind
	char  byte // decoded; 0 when it is no ASCII character
	width int  // bytes it takes in the line
}

// unitAt decodes the character at i.
func unitAt(line []byte, i int) unit {
	switch c := line[i]; c {
	case '%':
		return percentUnit(line, i)
	case '\\':
		return escapedUnit(line, i)
	case '+':
		return unit{gap, ' ', 1}
	default:
		return plain(c, 1)
	}
}

func plain(c byte, width int) unit {
	switch {
	case isDigit(c):
		return unit{number, c, width}
	case isLetter(c):
		return unit{letter, c, width}
	case c == ' ' || c == '-':
		return unit{gap, c, width}
	case c >= 0x80:
		return unit{other, 0, width}
	}
	return unit{other, c, width}
}

// percentUnit decodes %34, and %2534, which is the same encoded twice.
func percentUnit(line []byte, i int) unit {
	n := i + 1
	for n+1 < len(line) && line[n] == '2' && line[n+1] == '5' {
		n += 2
	}
	twice := n > i+1
	if n+1 < len(line) {
		if c, ok := hex2(line[n], line[n+1]); ok {
			u := plain(c, n+2-i)
			// "%25" before two letters is more likely a percent sign.
			if !twice || u.kind == number || u.kind == gap {
				return u
			}
		}
	}
	return unit{other, '%', n - i}
}

// percentDeep decodes the percent-encoded character at i, however often it was
// encoded: level is 0 for %3D, 1 for %253D. c is 0 when it is none.
func percentDeep(line []byte, i int) (c byte, width, level int) {
	n := i + 1
	for n+3 < len(line) && line[n] == '2' && line[n+1] == '5' {
		if _, ok := hex2(line[n+2], line[n+3]); !ok {
			break
		}
		n += 2
		level++
	}
	if n+1 < len(line) {
		if c, ok := hex2(line[n], line[n+1]); ok {
			return c, n + 2 - i, level
		}
	}
	return 0, 1, 0
}

// escapedUnit decodes \u0034 and \x34 behind any number of backslashes. \n and
// its like are a boundary, not a letter.
func escapedUnit(line []byte, i int) unit {
	n := i + 1
	for n < len(line) && line[n] == '\\' {
		n++
	}
	if n == len(line) {
		return unit{other, '\\', n - i}
	}
	switch line[n] {
	case 'u':
		if n+4 < len(line) {
			high, ok1 := hex2(line[n+1], line[n+2])
			low, ok2 := hex2(line[n+3], line[n+4])
			if ok1 && ok2 {
				if high != 0 {
					low = 0x80
				}
				return plain(low, n+5-i)
			}
		}
	case 'x':
		if n+2 < len(line) {
			if c, ok := hex2(line[n+1], line[n+2]); ok {
				return plain(c, n+3-i)
			}
		}
	case 'b', 'f', 'n', 'r', 't':
		return unit{other, ' ', n + 1 - i}
	}
	return unit{other, '\\', n - i}
}

func hex2(a, b byte) (byte, bool) {
	x, y := hexDigit(a), hexDigit(b)
	return x<<4 | y&15, x < 16 && y < 16
}

func hexDigit(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
