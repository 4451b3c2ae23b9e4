package logformat

import (
	"regexp"
	"strings"
)

// piece is a part of a format: literal text, or a directive.
type piece struct {
	from, end int    // in the format
	letter    byte   // V, t, i, o, C, or the letter of a short directive; 0 for text
	inside    string // between the braces
	expr      *node  // of %{…}V
	fault     string // why it could not be read
	slot      slot
}

// slot says where in the line a directive stands.
type slot struct {
	quoted bool
	name   bool   // inside a JSON key
	key    string // dotted path of the JSON key whose value it is
}

const shortDirectives = "haluentpbBDfHIkmOPqrsTUvVXR{"

// pieces cuts a format into text and directives, as format version 2 has them.
// https://docs.fastly.com/en/guides/custom-log-formats
func pieces(format string) []*piece {
	var all []*piece
	text := func(from, end int) {
		if from < end {
			all = append(all, &piece{from: from, end: end})
		}
	}
	from := 0
	for i := 0; i < len(format); {
		if format[i] != '%' {
			i++
			continue
		}
		if strings.HasPrefix(format[i:], "%%") {
			text(from, i)
			all = append(all, &piece{from: i, end: i + 2, letter: '%'})
			i += 2
			from = i
			continue
		}
		p := directiveAt(format, i)
		text(from, i)
		all = append(all, p)
		i, from = p.end, p.end
	}
	text(from, len(format))
	return all
}

func directiveAt(format string, i int) *piece {
	p := &piece{from: i}
	j := i + 1
	for j < len(format) && (format[j] == '>' || format[j] == '<') {
		j++
	}
	if j == len(format) {
		p.end, p.fault = j, "a percent sign at the end"
		return p
	}
	if format[j] != '{' {
		p.end, p.letter = j+1, format[j]
		if strings.IndexByte(shortDirectives, p.letter) < 0 {
			p.fault = "no such directive"
		}
		return p
	}
	end := closingBrace(format, j)
	if end < 0 || end+1 == len(format) {
		p.end, p.fault = len(format), "its brace is not closed and followed by a letter"
		return p
	}
	p.inside, p.letter, p.end = format[j+1:end], format[end+1], end+2
	switch p.letter {
	case 'V':
		n, err := parseExpr(p.inside)
		if err != nil {
			p.fault = err.Error()
		}
		p.expr = n
	case 't', 'i', 'o', 'C', 'p', 'P', 'n', 'e', 'T', 'x':
	default:
		p.fault = "no such directive"
	}
	return p
}

var longString = regexp.MustCompile(`^\{([A-Za-z0-9_]*)("|%22)`)

// closingBrace finds the brace that closes the one at i. Braces in strings do not count.
func closingBrace(format string, i int) int {
	depth := 0
	for j := i; j < len(format); j++ {
		switch format[j] {
		case '{':
			m := longString.FindStringSubmatch(format[j:])
			if m == nil || j == i {
				depth++
				continue
			}
			end := strings.Index(format[j+len(m[0]):], m[2]+m[1]+"}")
			if end < 0 {
				return -1
			}
			j += len(m[0]) + end + len(m[2]) + len(m[1])
		case '}':
			if depth--; depth == 0 {
				return j
			}
		case '"', '%':
			quote := `"`
			if format[j] == '%' {
				if quote = "%22"; !strings.HasPrefix(format[j:], quote) {
					continue
				}
			}
			end := strings.Index(format[j+len(quote):], quote)
			if end < 0 {
				return -1
			}
			j += len(quote) + end + len(quote) - 1
		}
	}
	return -1
}

// place finds the slot of every directive: in a JSON object from byte start on,
// or between plain quotes when start is negative.
func place(format string, all []*piece, start int) (duplicates []int) {
	w := walker{seen: map[string]bool{}}
	for _, p := range all {
		if p.letter != 0 || p.fault != "" && p.letter == 0 {
			w.meet(p, start >= 0 && p.from >= start)
			continue
		}
		for i := p.from; i < p.end; i++ {
			if start < 0 || i < start {
				w.quoted = w.quoted != (format[i] == '"')
				continue
			}
			w.step(format[i], i)
		}
	}
	return w.duplicates
}

// walker follows JSON far enough to know the key of a value. It does not
// check: an encoder of the rendered line does.
type walker struct {
	quoted, escaped bool
	value           bool // after a colon
	str             strings.Builder
	from            int
	key             string
	path            []string
	seen            map[string]bool
	duplicates      []int // where keys stand that were there before
}

func (w *walker) meet(p *piece, json bool) {
	p.slot = slot{quoted: w.quoted, name: json && w.quoted && !w.value, key: w.dotted(w.key)}
	if w.quoted {
		w.str.WriteByte('?')
	}
}

// dotted is the path of a key. What is deeper than anybody's format has none.
func (w *walker) dotted(key string) string {
	if len(w.path) > maxDepth {
		return ""
	}
	return strings.TrimPrefix(strings.Join(append(w.path[:len(w.path):len(w.path)], key), "."), ".")
}

func (w *walker) step(c byte, at int) {
	switch {
	case w.quoted && w.escaped:
		w.escaped = false
		w.str.WriteByte(c)
	case w.quoted && c == '\\':
		w.escaped = true
	case w.quoted && c == '"':
		w.quoted = false
	case w.quoted:
		w.str.WriteByte(c)
	case c == '"':
		w.quoted, w.from = true, at
		w.str.Reset()
	case c == ':':
		w.key, w.value = w.str.String(), true
		full := w.dotted(w.key)
		if full != "" && w.seen[full] {
			w.duplicates = append(w.duplicates, w.from)
		}
		w.seen[full] = true
	case c == ',':
		w.key, w.value = "", false
	case c == '{':
		w.path, w.key, w.value = append(w.path, w.key), "", false
	case c == '}' && len(w.path) > 0:
		w.path, w.key, w.value = w.path[:len(w.path)-1], "", false
	}
}
