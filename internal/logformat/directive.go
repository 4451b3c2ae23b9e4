package logformat

import (
	"fmt"
	"strings"
)

// directive checks one directive.
func (l *linter) directive(p *piece) {
	if p.fault != "" {
		l.finding(Syntax, p.from, p.end, p.fault)
		return
	}
	switch p.letter {
	case 0, 't':
		return
	case '%':
		if strings.HasPrefix(l.format[p.end:], "{") {
			l.finding(DoubledPercent, p.from, p.end+1, "")
		}
	case 'h', 'a':
		if l.understood() {
			l.finding(ForgeableAddress, p.from, p.end, "")
		}
		// Fastly keeps what the client sent, so it is text of the client's choosing.
		l.raw(p, "client.ip")
	case 'r':
		l.rawWith(p, "method, path and query in keys of their own, as ingest logformat writes them")
	case 'f', 'U':
		l.raw(p, "req.url.path")
	case 'q':
		l.raw(p, "req.url.qs")
	case 'v', 'V':
		if p.expr == nil {
			l.raw(p, "req.http.Host")
			break
		}
		l.expression(p)
	case 'm':
		l.raw(p, "req.method")
	case 'i':
		l.header(p, "req.http."+p.inside)
	case 'o':
		l.header(p, "resp.http."+p.inside)
	case 'C':
		l.finding(Cookie, p.from, p.end, "")
		l.raw(p, "req.http.Cookie:"+p.inside)
	case 'b', 'l', 'u':
		if l.inJSON(p) && !p.slot.quoted {
			l.finding(UnsetNumber, p.from, p.end, ", such as resp.body_bytes_written")
		}
	}
}

// raw checks a directive that prints a variable as it is.
func (l *linter) raw(p *piece, variable string) { l.rawWith(p, l.instead(variable)) }

func (l *linter) rawWith(p *piece, instead string) {
	switch {
	case !l.understood():
	case l.inJSON(p) && !p.slot.quoted:
		l.finding(UnsetNumber, p.from, p.end, "")
	default:
		l.finding(Unescaped, p.from, p.end, instead)
	}
}

func (l *linter) header(p *piece, variable string) {
	l.disclosure(p, variable)
	l.raw(p, variable)
}

// disclosure checks whether a variable should be in a log at all.
func (l *linter) disclosure(p *piece, variable string) {
	h, ok := header(variable)
	switch {
	case !ok:
	case h == "cookie" || h == "set-cookie":
		l.finding(Cookie, p.from, p.end, "")
	case secret.MatchString(h):
		l.finding(Secret, p.from, p.end, "")
	case forgeable[h] && l.understood():
		l.finding(ForgeableAddress, p.from, p.end, "")
	}
}

// printed calls fn for every variable whose value gets into the line: not those in conditions, nor those that are hashed.
func printed(n *node, fn func(name string)) {
	switch {
	case n.kind == variable:
		fn(n.name)
	case n.kind == boolean:
	case n.kind == call && strings.EqualFold(n.name, "if") && len(n.args) == 3:
		printed(n.args[1], fn)
		printed(n.args[2], fn)
	case n.kind == call && (strings.HasPrefix(n.name, "digest.h") || numberFunctions.MatchString(n.name) || boolFunctions.MatchString(n.name)):
	default:
		for _, a := range n.args {
			printed(a, fn)
		}
	}
}

func (l *linter) expression(p *piece) {
	said := map[Code]bool{}
	printed(p.expr, func(name string) {
		before := len(l.found)
		l.disclosure(p, name)
		if len(l.found) > before { // once for a directive
			if code := l.found[before].Code; said[code] {
				l.found = l.found[:before]
			} else {
				said[code] = true
			}
		}
	})
	f := weigh(p.expr, branch{})
	if len(said) > 0 { // it goes, so how long it may be does not matter
		f.utf8, f.bounded = true, true
	}
	switch {
	case !l.understood():
	case f.typ == typeBool && l.inJSON(p):
		l.finding(BoolAsNumber, p.from, p.end, fmt.Sprintf(`%%{if(%s, "true", "false")}V`, strings.ReplaceAll(p.inside, "%22", `"`)))
	case l.inJSON(p) && !p.slot.quoted && !numeric(p.expr):
		l.finding(UnsetNumber, p.from, p.end, "")
	case l.inJSON(p) && !p.slot.quoted:
		l.parts(p)
	default:
		l.text(p, f, l.instead(f.source))
	}
}

// parts checks the strings inside a value that brings its own quotes.
func (l *linter) parts(p *piece) {
	p.expr.walk(func(n *node) {
		if n.kind == concat && inQuotes(n) {
			f := mergeAll(n.args[1:len(n.args)-1], branch{})
			l.text(p, f, `"`+l.instead(f.source)+`"`)
		}
	})
}

// text checks a value inside quotes; instead is what to write in its place.
func (l *linter) text(p *piece, f facts, instead string) {
	switch {
	case f.author == byEdge:
		return
	case f.twice:
		l.finding(EscapedTwice, p.from, p.end, instead)
	case f.cEsc && l.inJSON(p):
		l.finding(CEscape, p.from, p.end, instead)
	case f.cEsc:
	case !f.safe:
		l.finding(Unescaped, p.from, p.end, instead)
	case !f.utf8:
		l.finding(NotUTF8, p.from, p.end, instead)
	}
	if !f.bounded {
		l.finding(Unbounded, p.from, p.end, instead)
	}
}

// instead is how our own format would write the variable.
func (l *linter) instead(name string) string {
	if name == "client.ip" {
		return "%{client.ip}V"
	}
	limit := maxAgent
	if strings.HasPrefix(name, "req.url") {
		limit = maxPath
	}
	for _, v := range values {
		if strings.EqualFold(v.vcl, name) && v.max > 0 {
			limit = v.max
		}
	}
	return "%{" + value{form: text, vcl: name, max: limit}.expression() + "}V"
}
