package parse

import "bytes"

// span is a part of the line; the zero value is none.
type span struct{ from, end int }

func (s span) of(line string) string { return line[s.from:s.end] }

// header is what stands before the message of a line.
type header struct {
	when     span // RFC 3339 time
	node     span
	endpoint span
	message  int // where the message begins in the line
}

// maxHeaderWord bounds each word of a header; a longer one is no header.
const maxHeaderWord = 255

// splitHeader takes the syslog header off a line. A line without one is all
// message.
//
//	classic  <134>2031-05-06T07:08:09Z cache-xxx1234 Endpoint name[246810]: MESSAGE
//	loggly   <134>1 2031-05-06T07:08:09Z host endpoint procid msgid SD MESSAGE
//	logplex  the same without SD
//	blank    MESSAGE
//
// Files that rsyslog wrote lack the priority; relays may have rewritten the
// time in the form of RFC 3164, which has no year and is not used as a time.
func splitHeader(line []byte) header {
	i := priority(line)
	if i == 0 {
		h, ok := classicHeader(line, 0)
		if ok && (h.endpoint.end > 0 || (h.message < len(line) && line[h.message] == '{')) {
			return h
		}
		return header{}
	}
	if h, ok := rfc5424Header(line, i); ok {
		return h
	}
	if h, ok := classicHeader(line, i); ok {
		return h
	}
	return header{message: skipSpace(line, i)}
}

// priority returns the length of a "<134>" at the beginning of line, or 0. The
// value says nothing: Fastly always sends 134.
func priority(line []byte) int {
	if len(line) < 3 || line[0] != '<' {
		return 0
	}
	i := 1
	for i < len(line) && i <= 3 && line[i] >= '0' && line[i] <= '9' {
		i++
	}
	if i == 1 || i == len(line) || line[i] != '>' {
		return 0
	}
	return i + 1
}

func classicHeader(line []byte, i int) (header, bool) {
	var h header
	switch {
	case dateShape(line[i:]):
		h.when, i = wordSpan(line, i)
		if h.when.end == 0 {
			return header{}, false
		}
	case bsdTime(line[i:]):
		i += len("Jan _2 15:04:05 ")
	default:
		return header{}, false
	}
	if h.node, i = wordSpan(line, i); h.node.end == 0 {
		return header{}, false
	}
	h.endpoint, h.message = tag(line, i)
	h.node = h.node.unlessDash(line)
	return h, true
}

// tag reads "Endpoint name[pid]: ". The name may hold spaces, so what ends it
// is the first "[digits]:". A tag without pid is one word and a colon.
func tag(line []byte, i int) (name span, message int) {
	end := min(len(line), i+2*maxHeaderWord)
	if i < len(line) && line[i] == '{' {
		return span{}, i
	}
	for j := i; j < end; j++ {
		k := bytes.IndexByte(line[j:end], '[')
		if k < 0 {
			break
		}
		j += k
		k = j + 1
		for k < end && line[k] >= '0' && line[k] <= '9' {
			k++
		}
		if k > j+1 && k+1 < len(line) && line[k] == ']' && line[k+1] == ':' {
			return span{i, j}, oneSpace(line, k+2)
		}
	}
	for j := i; j < end && line[j] != ' ' && line[j] != '"' && line[j] != '{'; j++ {
		if line[j] == ':' && j > i && j+1 < len(line) && line[j+1] == ' ' {
			return span{i, j}, j + 2
		}
	}
	return span{}, i
}

func rfc5424Header(line []byte, i int) (header, bool) {
	if !bytes.HasPrefix(line[i:], []byte("1 ")) {
		return header{}, false
	}
	var h header
	var words [5]span // time, host, app, procid, msgid
	i += 2
	for w := range words {
		if words[w], i = wordSpan(line, i); words[w].end == 0 {
			return header{}, false
		}
	}
	h.when = words[0].unlessDash(line)
	if h.when.end > 0 && !dateShape(line[h.when.from:h.when.end]) {
		return header{}, false
	}
	h.node = words[1].unlessDash(line)
	h.endpoint = words[2].unlessDash(line)
	h.message = skipStructuredData(line, i)
	return h, true
}

// structuredData returns the rest of an RFC 5424 line from its structured data
// on, or nil.
func structuredData(line []byte) []byte {
	i := priority(line)
	if i == 0 || !bytes.HasPrefix(line[i:], []byte("1 ")) {
		return nil
	}
	i += 2
	for range 5 {
		var w []byte
		if w, i = word(line, i); w == nil {
			return nil
		}
	}
	return line[i:]
}

// skipStructuredData returns where the message begins: after "- ", after
// elements in brackets, or at i when there is neither (logplex leaves it out).
func skipStructuredData(line []byte, i int) int {
	if i < len(line) && line[i] == '-' && (i+1 == len(line) || line[i+1] == ' ') {
		return min(i+2, len(line))
	}
	j := i
	for j < len(line) && line[j] == '[' {
		if j = sdElement(line, j+1); j < 0 {
			return i
		}
	}
	if j == i || (j < len(line) && line[j] != ' ') {
		return i
	}
	return min(j+1, len(line))
}

// sdElement reads `id name="value" …]` and returns what follows, or -1.
func sdElement(line []byte, i int) int {
	start := i
	for i < len(line) && sdName(line[i]) {
		i++
	}
	if i == start {
		return -1
	}
	for i < len(line) && line[i] == ' ' {
		i++
		start = i
		for i < len(line) && sdName(line[i]) {
			i++
		}
		if i == start || i+1 >= len(line) || line[i] != '=' || line[i+1] != '"' {
			return -1
		}
		for i += 2; i < len(line) && line[i] != '"'; i++ {
			if line[i] == '\\' {
				i++
			}
		}
		i++
	}
	if i >= len(line) || line[i] != ']' {
		return -1
	}
	return i + 1
}

func sdName(c byte) bool { return c > ' ' && c < 0x7f && c != '=' && c != ']' && c != '"' }

// word returns the bytes up to the next space and what follows it; nil when
// there is no such word.
func word(line []byte, i int) ([]byte, int) {
	if i >= len(line) {
		return nil, i
	}
	n := bytes.IndexByte(line[i:min(len(line), i+maxHeaderWord)], ' ')
	if n <= 0 {
		return nil, i
	}
	return line[i : i+n], i + n + 1
}

// wordSpan is word, as a part of the line.
func wordSpan(line []byte, i int) (span, int) {
	w, next := word(line, i)
	if w == nil {
		return span{}, next
	}
	return span{i, i + len(w)}, next
}

// dateShape reports whether b begins like "2031-05-06T07:08:09".
func dateShape(b []byte) bool {
	return len(b) >= 19 && b[4] == '-' && b[7] == '-' && b[10]|0x20 == 't' && b[13] == ':' && b[16] == ':' &&
		isDigit(b[0]) && isDigit(b[3]) && isDigit(b[18])
}

// bsdTime reports whether b begins like "May  6 07:08:09 ".
func bsdTime(b []byte) bool {
	return len(b) > 16 && b[3] == ' ' && b[6] == ' ' && b[9] == ':' && b[12] == ':' && b[15] == ' ' &&
		isDigit(b[5]) && isDigit(b[14])
}

// unlessDash returns no span for "-", the nil value of syslog.
func (s span) unlessDash(line []byte) span {
	if s.end-s.from == 1 && line[s.from] == '-' {
		return span{}
	}
	return s
}

func oneSpace(line []byte, i int) int {
	if i < len(line) && line[i] == ' ' {
		return i + 1
	}
	return min(i, len(line))
}

func skipSpace(line []byte, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
