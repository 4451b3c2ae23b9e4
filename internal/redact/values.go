package redact

import "bytes"

// value masks the value that begins at i, after the separator of key k.
func (r *Redactor) value(line []byte, i int, k key, colon bool) bool {
	isKey := k.quotes >= 0 || (k.encoded && colon) // of a JSON object
	if colon {
		i = skipGaps(line, i, k.encoded)
	}
	if i >= len(line) {
		return false
	}
	if from, q := opening(line, i); from > 0 {
		if !q.within(k) || (!isKey && !opens(line, from)) {
			return false // it closes the string that ends with the key
		}
		end, _ := closing(line, from, q)
		return r.fill(line, scheme(line, from, k), end)
	}
	switch c := line[i]; {
	case k.quotes < 0:
		if c, _, _ := percentDeep(line, i); k.encoded && line[i] == '%' && (c == '{' || c == '[') {
			k.nested = true
		}
		i = scheme(line, i, k)
		return r.fill(line, i, r.bareEnd(line, i, k))
	case c == '-' || isDigit(c):
		return fillNumber(line, i, numberEnd(line, i))
	case c == '[' || c == '{':
		return r.nested(line, i, k)
	}
	return false // null, true, false
}

// quote says how a quoted value is closed.
type quote struct {
	slashes int    // backslashes before each quote
	mark    string // `"`, `'` or "%22"
	level   int    // how often %22 is encoded again: 1 for %2522
}

// opening reads the quote a value begins with and returns where its inside
// begins; 0 when there is no quote.
func opening(line []byte, i int) (from int, q quote) {
	n := i
	for n < len(line) && line[n] == '\\' {
		n++
	}
	switch {
	case n < len(line) && line[n] == '"' && (n-i)&(n-i+1) == 0:
		// Escaping doubles backslashes and adds one: 0, 1, 3, 7 … stand before a quote that was written as one. Any other number
		// is a string that ends in backslashes, such as "pin\":\\", and this quote ends the string around it.
		return n + 1, quote{slashes: n - i, mark: `"`}
	case n == i && line[i] == '\'':
		return i + 1, quote{mark: `'`}
	case line[i] == '%':
		if c, width, level := percentDeep(line, i); c == '"' {
			return i + width, quote{mark: "%22", level: level}
		}
	}
	return 0, quote{}
}

// size is how many bytes the quote takes.
func (q quote) size() int { return q.slashes + len(q.mark) + 2*q.level }

// within reports whether q can open a value inside the string that the key k is
// in. Fewer backslashes than before the quotes of the key end that string.
func (q quote) within(k key) bool {
	if k.encoded {
		return q.mark == "%22" || q.mark == `'`
	}
	return q.mark != `"` || q.slashes >= k.quotes
}

// opens reports whether a quote that ends at i begins a value, rather than
// ending the string in which an empty value stands last.
func opens(line []byte, i int) bool {
	return i < len(line) && line[i] > ' ' && bytes.IndexByte([]byte(",}]:\\\"'"), line[i]) < 0
}

// closing returns where the quoted value that begins at i ends, and whether at
// its own quote. Quotes escaped more deeply than the opening one are part of
// it; one that ends the string around it ends it, too, so that the mask never
// leaves that string.
func closing(line []byte, i int, q quote) (end int, own bool) {
	slashes := 0
	for ; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			slashes++
			continue
		case c == '"' && q.mark == `"`:
			if n := closes(slashes, q.slashes); n >= 0 {
				return i - n, n == q.slashes
			}
		case c == '"':
			return i - slashes, false
		case c == '\'' && q.mark == `'` && slashes == 0:
			return i, true
		case c == '%' && q.mark == "%22":
			if c, _, level := percentDeep(line, i); c == '"' && level <= q.level {
				return i, level == q.level
			}
		case c == '&' && q.mark == "%22":
			return i, false
		}
		slashes = 0
	}
	return i - slashes, false
}

// closes returns how many of the backslashes before a quote belong to it, when
// it closes a string whose own quotes have up to level of them; otherwise -1.
// JSON within JSON within JSON has quotes with 0, 1, 3, 7 … backslashes; a
// backslash of the text itself stands there as 2, 4, 8 … of them.
func closes(slashes, level int) int {
	for n := 0; n <= level; n = 2*n + 1 {
		if slashes >= n && (slashes-n)%(2*(n+1)) == 0 {
			return n
		}
	}
	return -1
}

// bareEnd returns where a value without quotes ends: at what ends a parameter,
// a word or the string it is in.
func (r *Redactor) bareEnd(line []byte, i int, k key) int {
	for i < len(line) {
		switch c := line[i]; {
		case (c == '"' || c == '\\') && k.auth && line[i-1] == '=':
			if end := r.quotedParameter(line, i); end > 0 {
				i = end
				continue
			}
		}
		switch c := line[i]; {
		case c == '"' || c == '&' || c < ' ':
			return i
		case c == ' ' || (c == '+' && k.encoded && k.auth):
			if !k.auth || line[i-1] != ',' {
				return i
			}
		}
		u := unitAt(line, i)
		if u.width > 1 || line[i] == '\\' {
			if endsValue(line, i, u, k) {
				return i
			}
			if line[i] == '\\' {
				u.width = escapeEnd(line, i) - i
			}
		}
		i += u.width
	}
	return min(i, len(line))
}

// quotedParameter returns the end of a parameter in quotes, as credentials of
// the scheme Digest have them, or 0. Its quotes must be deeper than those of a
// JSON string it is in; outside JSON a comma or space must follow, since the
// first may be the quote that ends a request line.
func (r *Redactor) quotedParameter(line []byte, i int) int {
	from, q := opening(line, i)
	if from == 0 || q.mark != `"` {
		return 0
	}
	inJSON := r.bare(line, i) || r.depth > 0
	if inJSON && q.slashes%2 == 0 {
		return 0 // it ends the string
	}
	end, own := closing(line, from, q)
	switch {
	case !own && inJSON && end > from:
		return end // the string around it ends first
	case !own:
		return 0
	}
	if end += q.slashes + 1; inJSON || end == len(line) || line[end] == ',' || line[end] == ' ' {
		return end
	}
	return 0
}

// endsValue reports whether an encoded character ends a value without quotes.
func endsValue(line []byte, i int, u unit, k key) bool {
	if line[i] == '%' {
		// %26 within password=a%26b belongs to the value; within
		// password%3Da%26b it ends it.
		c, _, level := percentDeep(line, i)
		switch {
		case !k.encoded || level > k.level || c == 0:
			return false
		case c == '&' || c <= ' ':
			return true
		}
		return !k.nested && (c == '"' || c == ',' && !k.auth || c == '}')
	}
	n := i
	for n < len(line) && line[n] == '\\' {
		n++
	}
	if n < len(line) && line[n] == '"' {
		return true
	}
	return u.char == '&' || u.char == '"' || u.char == ' ' || (u.char != 0 && u.char < ' ')
}

// escapeEnd returns the end of the escape at i: all its backslashes and what
// they escape, so that masking never leaves half an escape.
func escapeEnd(line []byte, i int) int {
	n := i
	for n < len(line) && line[n] == '\\' {
		n++
	}
	if (n-i)%2 == 0 || n == len(line) {
		return n
	}
	if line[n] == 'u' {
		for k := 1; k <= 4; k++ {
			if n+k >= len(line) || hexDigit(line[n+k]) > 15 {
				return n + 1
			}
		}
		return n + 5
	}
	if line[n] == '"' {
		return n
	}
	return n + 1
}

// schemes are the authentication schemes that are left readable.
var schemes = []string{"bearer", "basic", "digest", "token", "negotiate", "apikey", "ntlm", "aws4-hmac-sha256"}

// scheme returns where the credentials begin in the value at i.
func scheme(line []byte, i int, k key) int {
	if !k.auth {
		return i
	}
	for _, s := range schemes {
		if end := i + len(s); end < len(line) && foldedPrefix(line[i:], s) {
			if n := skipGaps(line, end, true); n > end {
				return n
			}
		}
	}
	return i
}

func foldedPrefix(b []byte, s string) bool {
	for i := range len(s) {
		if b[i] != s[i] && (!isLetter(b[i]) || b[i]|0x20 != s[i]) {
			return false
		}
	}
	return true
}

// skipGaps skips spaces, and with encoded their encoded forms.
func skipGaps(line []byte, i int, encoded bool) int {
	for i < len(line) {
		switch {
		case line[i] == ' ' || line[i] == '\t':
			i++
		case encoded && line[i] == '+':
			i++
		case encoded && (line[i] == '%' || line[i] == '\\') && unitAt(line, i).char == ' ' && unitAt(line, i).kind == gap:
			i += unitAt(line, i).width
		default:
			return i
		}
	}
	return i
}

// fill overwrites line[from:end], unless it says that there is no value.
func (r *Redactor) fill(line []byte, from, end int) (changed bool) {
	end = min(end, len(line))
	if from >= end {
		return false
	}
	if v := line[from:end]; string(v) == "-" || string(v) == "(null)" || string(v) == "null" {
		return false
	}
	for i := from; i < end; i++ {
		changed = changed || line[i] != 'x'
		line[i] = 'x'
	}
	return changed
}

func numberEnd(line []byte, i int) int {
	for i < len(line) && (isDigit(line[i]) || bytes.IndexByte([]byte("+-.eE"), line[i]) >= 0) {
		i++
	}
	return i
}

// fillNumber makes the JSON number line[i:end] a zero behind spaces: "000" would
// be no number.
func fillNumber(line []byte, i, end int) (changed bool) {
	for ; i < end; i++ {
		fill := byte(' ')
		if i == end-1 {
			fill = '0'
		}
		changed = changed || line[i] != fill
		line[i] = fill
	}
	return changed
}
