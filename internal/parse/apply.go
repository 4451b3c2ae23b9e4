package parse

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"edgewarden/internal/record"
)

// text returns what a scalar says, as a string. The ways Fastly writes an unset
// variable ("", "-", "(null)" and null) all give "".
func (p *Parser) text(v value) string {
	if v.kind == null {
		return ""
	}
	s := p.src[v.from:v.end]
	if v.kind == text {
		switch {
		case v.escaped && !v.high:
			s = p.arena.unescaped(s)
		case v.escaped:
			var bad bool
			p.scratch, bad = unescape(p.scratch[:0], p.line[v.from:v.end])
			if bad {
				p.noteOnce(ProblemUTF8)
			}
			s = p.arena.bytes(p.scratch)
		case v.high && !utf8.ValidString(s):
			s = p.clean(span{v.from, v.end})
		}
	}
	return unset(s)
}

func unset(s string) string {
	if s == "-" || s == "(null)" {
		return ""
	}
	return s
}

// present reports whether v says anything.
func (p *Parser) present(v value) bool {
	return v.kind != null && (v.kind != text || p.text(v) != "")
}

// apply sets the field of t from v; false means that v is not of that kind.
func (p *Parser) apply(t *meaning, v value) bool {
	if v.kind == object || v.kind == array {
		return false
	}
	s := p.text(v)
	if s == "" {
		return true
	}
	switch t.how {
	case asAddress:
		return p.applyAddress(s)
	case asTime:
		return p.applyTime(s)
	case asOffset:
		p.offset = s
	case asPath, asURL:
		p.applyURL(s, t.how == asURL)
	case asQuery:
		p.rec.Query = strings.TrimPrefix(s, "?")
	case asRequest:
		p.applyRequest(s)
	case asCountry:
		return p.applyCountry(s)
	case asServer:
		p.applyServer(s)
	case asRole:
		if s != "edge" && s != "shield" {
			return false
		}
		p.rec.SetBool(record.FirstHop, s == "edge")
	case asMsec:
		return p.applyDuration(t.field, s, 1e3)
	case asSec:
		return p.applyDuration(t.field, s, 1e6)
	default:
		return p.applyField(t.field, s)
	}
	return true
}

func (p *Parser) applyField(f record.Field, s string) bool {
	switch record.Fields[f].Type {
	case record.Int:
		n, ok := integer(s)
		if ok {
			p.rec.SetInt(f, n)
		}
		return ok
	case record.Bool:
		switch s {
		case "true", "1":
			p.rec.SetBool(f, true)
		case "false", "0":
			p.rec.SetBool(f, false)
		default:
			return false
		}
		return true
	}
	*p.rec.Str(f) = s
	return true
}

// applyAddress reads the client address. One that is not understood spoils the
// line: nobody could be held to it.
func (p *Parser) applyAddress(s string) bool {
	a, ok := p.address(s)
	if !ok {
		p.fatal = ProblemAddress
		return true
	}
	p.rec.ClientIP, p.rec.ClientKey, p.rec.ClientPrefix = a.ip, a.key, a.prefix
	return true
}

func (p *Parser) applyTime(s string) bool {
	t, ok := parseTime(s)
	if !ok {
		return false
	}
	p.unzoned = !t.zoned
	if s[4] == '-' {
		p.day.learn(s)
	}
	p.rec.SetTime(record.Timestamp, fromMicro(t.usec))
	return true
}

// applyOffset corrects a time whose zone stood under a key of its own.
func (p *Parser) applyOffset() {
	if p.offset == "" || !p.unzoned {
		return
	}
	seconds, ok := zoneOffset(p.offset)
	if !ok {
		p.noteOnce(ProblemTime)
		return
	}
	p.rec.Timestamp = p.rec.Timestamp.Add(-time.Duration(seconds) * time.Second)
}

// applyURL splits a URL. What a query key said of its own is not overwritten.
func (p *Parser) applyURL(s string, whole bool) {
	if whole && s[0] != '/' {
		if _, rest, ok := strings.Cut(s, "://"); ok {
			host, _, _ := strings.Cut(rest, "/")
			s = rest[len(host):]
			if p.rec.Host == "" {
				p.rec.Host = host
			}
			if s == "" {
				s = "/"
			}
		}
	}
	path, query, ok := strings.Cut(s, "?")
	p.rec.Path = path
	if ok && p.rec.Query == "" {
		p.rec.Query = query
	}
}

// applyRequest reads "GET /path HTTP/1.1", or a method alone.
func (p *Parser) applyRequest(s string) {
	method, rest, ok := strings.Cut(s, " ")
	if !isMethod(method) {
		if p.rec.Path == "" { // such as a TLS hello on the plain port
			p.rec.Path = s
		}
		return
	}
	p.rec.Method = method
	if !ok {
		return
	}
	if i := strings.LastIndexByte(rest, ' '); i >= 0 && strings.HasPrefix(rest[i+1:], "HTTP/") {
		if p.rec.Protocol == "" {
			p.rec.Protocol = rest[i+1:]
		}
		rest = rest[:i]
	}
	if rest != "" && p.rec.Path == "" {
		p.applyURL(rest, true)
	}
}

// isMethod reports whether s is a token (RFC 9110 section 5.6.2) of capitals.
func isMethod(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func (p *Parser) applyCountry(s string) bool {
	switch {
	case s == "**" || s == "??" || s == "?":
		return true // unknown
	case len(s) != 2 || !isLetter(s[0]) || !isLetter(s[1]):
		return false
	}
	p.rec.ClientCountry = strings.ToUpper(s)
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// applyServer takes the POP from "cache-abc12345-ABC".
func (p *Parser) applyServer(s string) {
	pop := s[strings.LastIndexByte(s, '-')+1:]
	if len(pop) == 3 && pop != s && isMethod(pop) {
		p.rec.POP = pop
	}
}

func (p *Parser) applyDuration(f record.Field, s string, scale float64) bool {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !(math.Abs(x)*scale < 1<<53) {
		return false
	}
	p.rec.SetInt(f, int64(math.Round(x*scale)))
	return true
}

// integer reads a whole number; "12.0" and "1e3" are such, too.
func integer(s string) (int64, bool) {
	if len(s) <= 18 {
		if n, ok := num(s); ok {
			return n, true
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	if c := s[0]; c != '-' && !isDigit(c) {
		return 0, false // no "inf", no "0x"
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x != math.Trunc(x) || math.Abs(x) >= 1<<53 || strings.ContainsAny(s, "xX_") {
		return 0, false
	}
	return int64(x), true
}

func appendNumber(extra []byte, name string, n int) []byte {
	extra = append(extra, ',', '"')
	extra = append(extra, name...)
	extra = append(extra, '"', ':')
	return strconv.AppendInt(extra, int64(n), 10)
}

// noteOnce adds a note that is not there yet.
func (p *Parser) noteOnce(problem string) {
	if !strings.Contains(p.rec.Problem, problem) {
		note(&p.rec.Problem, problem)
	}
}

func (p *Parser) setInstant(t instant) {
	p.rec.SetTime(record.Timestamp, fromMicro(t.usec))
}
