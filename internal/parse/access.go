package parse

import (
	"bytes"
	"unicode/utf8"

	"edgewarden/internal/record"
)

// accessLine reads Fastly's default format, %h %l %u %t "%r" %>s %b, at i, and the combined
// format, which adds "referer" "user agent". What follows is kept in extra
// under "rest". %h is the header Fastly-Client-IP, so a client can forge it.
func (p *Parser) accessLine(i int) {
	host, next := word(p.line, i)
	if host == nil {
		p.fatal = ProblemNotUnderstood
		return
	}
	when := bytes.Index(p.line[next:], []byte(" ["))
	if when < 0 {
		p.fatal = ProblemNotUnderstood
		return
	}
	when += next + 1
	request := bytes.Index(p.line[when:], []byte(`] "`))
	if request < 0 || request > 64 {
		p.fatal = ProblemNotUnderstood
		return
	}
	request += when + 3
	end, status, tail := requestEnd(p.line, request)
	if end < 0 {
		p.fatal = ProblemNotUnderstood
		return
	}
	t, ok := parseTime(p.src[when : request-2])
	if !ok {
		p.fatal = ProblemNotUnderstood
		return
	}
	p.setInstant(t)
	p.rec.SetInt(record.Status, status)
	if s := unset(p.quoted(request, end)); s != "" {
		p.applyRequest(s)
	}
	p.tail(tail)
	if h := unset(p.clean(span{i, i + len(host)})); h != "" {
		p.applyAddress(h)
	}
}

// requestEnd finds the quote that ends the request: the first that is followed
// by a status. A client can put such a thing in its request line, so that
// status, but never the address before it, can be made up where the format
// does not escape.
func requestEnd(line []byte, from int) (end int, status int64, tail int) {
	for i := from; ; i++ {
		k := bytes.IndexByte(line[i:], '"')
		if k < 0 {
			return -1, 0, 0
		}
		i += k
		if i > from && line[i-1] == '\\' && (i < from+2 || line[i-2] != '\\') {
			continue
		}
		rest := line[i+1:]
		if len(rest) < 4 || rest[0] != ' ' || !isDigit(rest[1]) || !isDigit(rest[2]) || !isDigit(rest[3]) {
			continue
		}
		if len(rest) == 4 || rest[4] == ' ' {
			return i, int64(rest[1]-'0')*100 + int64(rest[2]-'0')*10 + int64(rest[3]-'0'), min(i+6, len(line))
		}
	}
}

// tail reads size, referer and user agent.
func (p *Parser) tail(i int) {
	size, next := p.line[i:], len(p.line)
	if w, n := word(p.line, i); w != nil {
		size, next = w, n
	}
	if n, ok := integer0(string(size)); ok {
		p.rec.SetInt(record.ResponseBytes, n)
	} else if len(size) > 0 && string(size) != "-" {
		next = i
	}
	for _, f := range [...]record.Field{record.Referer, record.UserAgent} {
		if next >= len(p.line) || p.line[next] != '"' {
			break
		}
		end := closingQuote(p.line, next+1)
		if end < 0 {
			break
		}
		*p.rec.Str(f) = unset(p.quoted(next+1, end))
		next = min(end+2, len(p.line))
	}
	if next < len(p.line) {
		p.extra = append(p.extra, `,"rest":`...)
		p.extra = appendQuoted(p.extra, p.clean(span{next, len(p.line)}))
	}
}

// closingQuote finds the quote followed by a space and a quote, or by the end
// of the line, or else the next one. User agents hold bare quotes, too.
func closingQuote(line []byte, from int) int {
	first := -1
	for i := from; i < len(line); i++ {
		switch {
		case line[i] == '\\':
			i++
		case line[i] != '"':
		case i+1 == len(line) || (line[i+1] == ' ' && (i+2 == len(line) || line[i+2] == '"')):
			return i
		case first < 0:
			first = i
		}
	}
	return first
}

// quoted returns the inside of a quoted string without the backslashes before
// quotes and backslashes.
func (p *Parser) quoted(from, end int) string {
	b := p.line[from:end]
	if bytes.IndexByte(b, '\\') < 0 {
		return p.clean(span{from, end})
	}
	room := p.nameRoom[:0]
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\') {
			i++
		}
		room = append(room, b[i])
	}
	p.nameRoom = room
	if !utf8.Valid(room) {
		p.noteOnce(ProblemUTF8)
		p.scratch = valid(p.scratch[:0], room)
		room = p.scratch
	}
	return p.arena.bytes(room)
}

func integer0(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	return num(s)
}
