package logformat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Lint checks anyone's Fastly log format (format version 2) for what makes its
// lines unreadable, forgeable or dangerous to keep. Findings come in the order
// of their place. A format without findings gives lines that ingest reads in
// full and that a block may rest on; [Format] is one.
func Lint(format string) []Finding {
	l := &linter{format: strings.TrimRight(format, "\r\n")}
	l.pieces = pieces(l.format)
	l.json = l.objectStart()
	for _, at := range place(l.format, l.pieces, l.json) {
		end := at + 1 + strings.IndexByte(l.format[at+1:], '"') + 1
		l.finding(DuplicateKey, at, end, "")
	}
	l.whole()
	for _, p := range l.pieces {
		l.directive(p)
	}
	if l.understood() {
		l.address()
		l.missing()
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int { return a.Offset - b.Offset })
	return l.found
}

type linter struct {
	format string
	pieces []*piece
	json   int // where the JSON object begins; negative when there is none
	found  []Finding
}

// objectStart finds the JSON object: at the beginning, or after a syslog head
// that the format writes itself.
func (l *linter) objectStart() int {
	i := len(l.format) - len(strings.TrimLeft(l.format, " \t\r\n"))
	if strings.HasPrefix(l.format[i:], "{") {
		return i
	}
	if strings.HasPrefix(l.format[i:], "<") {
		if j := strings.Index(l.format[i:], " {"); j >= 0 {
			return i + j + 1
		}
	}
	return -1
}

// whole checks the format as a whole.
func (l *linter) whole() {
	if len(l.format) > MaxLength {
		l.finding(TooLong, MaxLength, MaxLength, "")
	}
	if i := strings.IndexAny(l.format, "\r\n"); i >= 0 {
		l.finding(MultiLine, i, i, "")
	}
	if l.json >= 0 {
		l.checkJSON()
	} else if !l.understood() {
		l.finding(NotUnderstood, 0, 0, "")
	}
}

// understood reports whether ingest reads lines of this format. Of others it
// keeps the text, so that only what should not be in a log at all matters.
func (l *linter) understood() bool { return l.json >= 0 || accessLog.MatchString(l.format) }

// inJSON reports whether a directive stands inside the JSON object.
func (l *linter) inJSON(p *piece) bool { return l.json >= 0 && p.from >= l.json }

// accessLog is the default format, and what may follow it.
var accessLog = regexp.MustCompile(`^%(h|a|\{client\.ip\}V) \S+ \S+ (%t|%\{.*\}t|\[%\{.*\}[tV]\]) "(%r|%\{[^"]*\}V [^"]*)" %>?s( |$)`)

// checkJSON renders the format with harmless values and reads the result.
func (l *linter) checkJSON() {
	var b bytes.Buffer
	var at []int // of each rendered byte, its place in the format
	add := func(s string, from int, each bool) {
		for i := range len(s) {
			b.WriteByte(s[i])
			if each {
				at = append(at, from+i)
			} else {
				at = append(at, from)
			}
		}
	}
	for _, p := range l.pieces {
		switch {
		case p.end <= l.json:
		case p.letter == 0 && p.fault == "":
			from := max(p.from, l.json)
			add(l.format[from:p.end], from, true)
		case p.slot.quoted:
			add("x", p.from, false)
		default:
			add("1", p.from, false)
		}
	}
	d := json.NewDecoder(&b)
	var v any
	err := d.Decode(&v)
	if err == nil {
		if _, extra := d.Token(); extra != io.EOF {
			err = errors.New("something follows the object")
		}
	}
	if err == nil {
		return
	}
	offset := len(l.format)
	if e := new(json.SyntaxError); errors.As(err, &e) && int(e.Offset) <= len(at) && e.Offset > 0 {
		offset = at[e.Offset-1]
	}
	l.finding(InvalidJSON, offset, min(offset+1, len(l.format)), err.Error())
}

// guard reports whether p tells the first hop from a shield.
func guard(p *piece) bool {
	return p.expr != nil && (p.expr.mentions("fastly.ff.visits_this_service") || p.expr.mentions("req.http.Fastly-FF"))
}

// address checks what the addresses of the lines are worth.
func (l *linter) address() {
	guarded, ours := false, false
	var real *piece
	for _, p := range l.pieces {
		guarded = guarded || guard(p)
		ours = ours || p.slot.key == "first_hop" && l.json >= 0
		if real == nil && p.expr != nil && p.expr.kind == variable && p.expr.name == "client.ip" {
			real = p
		}
	}
	if !guarded {
		l.finding(NoShieldGuard, 0, 0, "")
	}
	if real != nil && guarded && !ours {
		l.finding(UntrustedAddress, real.from, real.end, "")
	}
}

// wanted are the fields no line should lack, by the keys under which ingest
// knows them. A test holds this list against the parser.
var wanted = []struct {
	code Code
	keys string
}{
	{NoTimestamp, "timestamp time_start start_time request_received @timestamp time datetime date"},
	{NoService, "service_id fastly_service_id req_service_id"},
	{NoAddress, "client_ip client_addr clientip client ip remote_addr remote_ip fastly_client_ip network.client.ip"},
	{NoStatus, "status response_status resp_status status_code http.status_code"},
	{NoMethod, "method request_method req_method http.method verb request"},
	{NoPath, "path url request_url req_url request_uri uri http.url url_path request"},
	{NoHost, "host request_host http_host req_host http.host"},
}

func (l *linter) missing() {
	if l.json < 0 { // an access log has all but these
		l.finding(NoService, 0, 0, "")
		l.finding(NoHost, 0, 0, "")
		return
	}
	have := map[string]bool{}
	for _, p := range l.pieces {
		if p.letter != 0 {
			have[strings.TrimPrefix(p.slot.key, "event.")] = true
		}
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(strings.Fields(w.keys), func(k string) bool { return have[k] }) {
			l.finding(w.code, 0, 0, "")
		}
	}
}
