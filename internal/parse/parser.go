package parse

import (
	"bytes"
	"hash/maphash"
	"time"
	"unicode/utf8"

	"edgewarden/internal/record"
)

// byteOrderMark may stand before a message (RFC 5424 section 6.4), and before
// the first line of a file.
const byteOrderMark = "\xef\xbb\xbf"

// Meta is what is known of a line besides its bytes. Its strings are valid
// UTF-8.
type Meta struct {
	Received     time.Time
	Sender       string // a record.Sender… value
	ServiceID    string // stamped on lines that carry no service; may be empty
	Position     string
	Cut          bool // as in Frame
	Length       int
	Unterminated bool
	Stable       bool // nobody writes to the line as long as the record is in use
}

// Parser turns lines into records. Not safe for concurrent use; reuse it: it
// learns the order of the keys and hands out strings from shared chunks.
type Parser struct {
	seed  maphash.Seed
	shape []shape
	day   day
	nets  nets
	arena arena

	// When the last line was received, as it was given and in UTC and whole
	// microseconds.
	read, micros time.Time

	// Of the line being parsed.
	line     []byte
	src      string // line, in memory that stays as it is as long as the record
	scan     scanner
	rec      *record.Record
	seen     keySet
	strange  []uint64  // hashes of the keys that are not in the table
	pending  []pending // values under an alias, applied after the others
	extra    []byte
	ours     bool // the key first_hop was there and true
	alias    bool // a key of another format was there
	fatal    string
	offset   string
	unzoned  bool
	scratch  []byte
	nameRoom []byte
}

// pending is a value that waits for the end of the object.
type pending struct {
	key      int16
	v        value
	name     value // its key as it stands in the line
	holder   int   // index of the pending object it is in, or -1
	toExtras bool
}

// New returns a Parser.
func New() *Parser {
	return &Parser{seed: maphash.MakeSeed()}
}

// Parse fills rec from line, overwriting all of it. Strings in rec alias line
// only when m says that it is Stable, which saves a copy. It never fails: a line
// that is not understood becomes a record of kind text with its Problem.
// All strings are valid UTF-8, and Extra is empty or a valid JSON object.
func (p *Parser) Parse(line []byte, m Meta, rec *record.Record) {
	p.reset(line, m.Stable, rec)
	p.begin(&m, rec)
	p.scan.mark()
	h := splitHeader(line)
	p.prefix(&h)
	i := skipSpace(line, h.message)
	if bytes.HasPrefix(line[i:], []byte(byteOrderMark)) {
		i += len(byteOrderMark)
	}
	switch {
	case i == len(line):
		p.fatal = ProblemEmpty
	case line[i] == '{':
		p.object(i)
	default:
		p.accessLine(i)
	}
	if p.fatal == "" {
		p.settle()
	}
	if p.fatal != "" {
		p.asText(&m, &h)
	}
	p.finish(&m, &h)
	p.rec, p.line, p.src, p.scan.b = nil, nil, "", nil
}

func (p *Parser) reset(line []byte, stable bool, rec *record.Record) {
	p.line = line
	if stable {
		p.src = alias(line)
	} else {
		p.src = p.arena.bytes(line)
	}
	p.scan.b, p.scan.fault = line, ""
	p.rec = rec
	p.seen = keySet{}
	p.strange = p.strange[:0]
	p.pending = p.pending[:0]
	p.extra = p.extra[:0]
	p.ours, p.alias, p.unzoned = false, false, false
	p.fatal, p.offset = "", ""
}

// begin sets what every record has, whatever its line.
func (p *Parser) begin(m *Meta, rec *record.Record) {
	*rec = record.Record{} // a literal with values would be made elsewhere and copied
	rec.Kind, rec.Sender, rec.Position = record.KindRequest, m.Sender, m.Position
	if m.Received != p.read { // the lines of one read have one time
		p.read = m.Received
		t := m.Received.UTC().Round(0) // without the monotonic clock
		p.micros = t.Add(-time.Duration(t.Nanosecond() % 1000))
	}
	rec.SetTime(record.Received, p.micros)
}

func (p *Parser) prefix(h *header) {
	if p.scan.special(0) >= h.message { // plain ASCII
		p.rec.Node, p.rec.Endpoint = h.node.of(p.src), h.endpoint.of(p.src)
		return
	}
	p.rec.Node = p.clean(h.node)
	p.rec.Endpoint = p.clean(h.endpoint)
}

// settle draws the conclusions of a line that was read.
func (p *Parser) settle() {
	r := p.rec
	switch {
	case r.ClientIP == "":
		if !p.looksLikeRequest() {
			p.fatal = ProblemNotRequest
			return
		}
	case p.ours && !p.alias:
		r.AddressSource = record.AddressEdge
	default:
		r.AddressSource = record.AddressHeader
	}
	if r.Present.Has(record.Timestamp) {
		r.TimeSource = record.TimeMessage
	}
}

// looksLikeRequest reports whether a line without an address has two of method,
// status, path and host.
func (p *Parser) looksLikeRequest() bool {
	r, facts := p.rec, 0
	for _, present := range [...]bool{r.Method != "", r.Present.Has(record.Status), r.Path != "", r.Host != ""} {
		if present {
			facts++
		}
	}
	return facts >= 2
}

// asText makes the record one of a line that was not understood. What was read
// of it so far is dropped: it may be the work of a client.
func (p *Parser) asText(m *Meta, h *header) {
	p.begin(m, p.rec)
	p.prefix(h)
	p.rec.Kind = record.KindText
	p.rec.Problem = p.fatal
	p.rec.Text = p.clean(span{0, len(p.line)})
	p.extra = p.extra[:0]
}

// finish sets time, service, notes and extra, whichever kind it became.
func (p *Parser) finish(m *Meta, h *header) {
	r := p.rec
	r.UTF8 = true // each way a string takes here makes sure of it
	if r.TimeSource == "" {
		p.fallbackTime(h)
	}
	if r.ServiceID == "" {
		r.ServiceID = m.ServiceID
	}
	if m.Cut {
		note(&r.Problem, ProblemCut)
		if m.Length > len(p.line) {
			p.extra = appendNumber(p.extra, "line_length", m.Length)
		}
	}
	if m.Unterminated {
		note(&r.Problem, ProblemUnterminated)
	}
	if len(p.extra) > 0 {
		p.extra[0] = '{'
		p.extra = append(p.extra, '}')
		r.Extra = p.arena.bytes(p.extra)
	}
}

// fallbackTime takes the time from the prefix, or else from the clock of ingest.
func (p *Parser) fallbackTime(h *header) {
	r := p.rec
	if h.when.end > 0 {
		// The prefix is UTC (fact of the format), so a missing zone means that.
		if t, ok := parseTime(p.src[h.when.from:h.when.end]); ok {
			r.SetTime(record.Timestamp, fromMicro(t.usec))
			r.TimeSource = record.TimePrefix
			return
		}
	}
	r.SetTime(record.Timestamp, r.Received)
	r.TimeSource = record.TimeReceived
}

// clean returns a part of the line as a valid string.
func (p *Parser) clean(at span) string {
	s := at.of(p.src)
	if utf8.ValidString(s) {
		return s
	}
	p.noteOnce(ProblemUTF8)
	p.scratch = valid(p.scratch[:0], p.line[at.from:at.end])
	return p.arena.bytes(p.scratch)
}
