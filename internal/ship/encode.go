package ship

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"edgewarden/internal/record"
)

// Field numbers of google.logging.v2.LogEntry and of what it consists of.
// https://github.com/googleapis/googleapis/blob/master/google/logging/v2/log_entry.proto
const (
	requestEntries = 4 // WriteLogEntriesRequest.entries

	entryTextPayload = 3
	entryInsertID    = 4
	entryJSONPayload = 6
	entryHTTPRequest = 7
	entryTimestamp   = 9
	entrySeverity    = 10
	entryLabels      = 11
	entryLogName     = 12

	httpMethod       = 1
	httpURL          = 2
	httpRequestSize  = 3
	httpStatus       = 4
	httpResponseSize = 5
	httpUserAgent    = 6
	httpRemoteIP     = 7
	httpReferer      = 8
	httpCacheHit     = 9
	httpCacheLookup  = 11
	httpLatency      = 14
	httpProtocol     = 15

	structFields = 1
	mapKey       = 1
	mapValue     = 2
	valueNumber  = 2
	valueString  = 3
	valueBool    = 4
)

// Values of google.logging.type.LogSeverity.
const (
	severityInfo    = 200
	severityNotice  = 300
	severityWarning = 400
	severityError   = 500
)

func tagOf(num protowire.Number, typ protowire.Type) byte { return byte(protowire.EncodeTag(num, typ)) }

// headRoom is the size of a head. The whole of it is copied, a constant size
// being much cheaper than the exact one; what follows overwrites the rest.
const headRoom = 32

// head is everything of a field of a Struct that stands before its value:
//
//	fields, length of the field, key, length of the name, the name, value, length of the value, kind of the value
//
// and, for a string, the length of the string. The lengths that depend on a
// string are filled in when it is known.
type head struct {
	b [headRoom]byte
	n uint8
}

func newHead(name string, value []byte, rest int) (h head) {
	b := append(h.b[:0], tagOf(structFields, protowire.BytesType), byte(2+len(name)+2+len(value)+rest), tagOf(mapKey, protowire.BytesType), byte(len(name)))
	b = append(b, name...)
	b = append(b, tagOf(mapValue, protowire.BytesType), byte(len(value)+rest))
	b = append(b, value...)
	if len(b) > headRoom {
		panic("ship: bug: the field name " + name + " is too long")
	}
	h.n = uint8(len(b))
	return h
}

// heads has the head of each field, and the others by name.
var heads = func() (hs [record.NumFields]head) {
	for f := range hs {
		hs[f] = headOf(record.Fields[f].Name, record.Fields[f].Type)
	}
	return hs
}()

var originalHead = headOf(OriginalTimestamp, record.String)

func headOf(name string, t record.Type) head {
	switch t {
	case record.Int:
		return newHead(name, []byte{tagOf(valueNumber, protowire.Fixed64Type)}, 8)
	case record.Bool:
		return newHead(name, []byte{tagOf(valueBool, protowire.VarintType)}, 1)
	}
	return newHead(name, []byte{tagOf(valueString, protowire.BytesType), 0}, 0)
}

// maxShort is the longest string with which all lengths of a field take one byte.
const maxShort = 127 - headRoom

// lengths fills in what depends on the length of a short string in a field
// that begins with b.
func (h *head) lengths(b []byte, size int) {
	p := (*[headRoom]byte)(b)
	p[1] = h.n - 2 + byte(size)
	p[(h.n-3)%headRoom] = 2 + byte(size)
	p[(h.n-1)%headRoom] = byte(size)
}

// put writes a head.
func (w *wire) put(h *head) {
	*(*[headRoom]byte)(w.b[w.n:]) = h.b
	w.n += int(h.n)
}

// longField writes a field whose string may have any length.
func (w *wire) longField(h *head, s string) {
	key := h.b[2 : h.n-4]
	value := 1 + varintSize(uint64(len(s))) + len(s)
	w.byte(h.b[0])
	w.varint(uint64(len(key) + 1 + varintSize(uint64(value)) + value))
	w.n += copy(w.b[w.n:], key)
	w.byte(tagOf(mapValue, protowire.BytesType))
	w.varint(uint64(value))
	w.byte(tagOf(valueString, protowire.BytesType))
	w.varint(uint64(len(s)))
	w.text(s)
}

// timeField writes a time of the record if it has it; so do the others.
func (w *wire) timeField(r *record.Record, f record.Field, t time.Time) {
	if r.Present.Has(f) {
		b := w.b[w.n:]
		w.put(&heads[f])
		heads[f].lengths(b, w.rfc3339(t))
	}
}

func (w *wire) intField(r *record.Record, f record.Field, v int64) {
	if r.Present.Has(f) {
		w.put(&heads[f])
		binary.LittleEndian.PutUint64(w.b[w.n:], math.Float64bits(float64(v)))
		w.n += 8
	}
}

func (w *wire) boolField(r *record.Record, f record.Field, v bool) {
	if r.Present.Has(f) {
		w.put(&heads[f])
		var c byte
		if v {
			c = 1
		}
		w.byte(c)
	}
}

// encoder makes log entries of records, as bytes. What every entry has in
// common (log name, resource) stands on the request instead. It is not safe
// for concurrent use.
type encoder struct {
	heartbeatLog string // log name of heartbeats
	retention    time.Duration
	w            wire
}

// append appends the entry of a record to dst as an element of a request, with
// tag and length, and returns the longer slice.
//
// A request is a jsonPayload with the record's fields under their names, the
// absent ones left out, timestamp and position too, since they are the entry's
// own timestamp and insertId. Numbers are float64 there (a Struct knows no
// other), exact up to 2^53. A line that was not understood is a textPayload
// with what is known of it as labels.
//
// Strings that are not valid UTF-8 are repaired, and an entry that is too
// large is cut.
func (e *encoder) append(dst []byte, r *record.Record, now time.Time) []byte {
	start := len(dst)
	dst, size := e.entry(dst, r, now, "")
	if !e.w.ascii() {
		if fixed, odd := repaired(r); odd {
			r = &fixed
			dst, size = e.entry(dst[:start], r, now, "")
		}
	}
	if size <= maxEntryBytes {
		return dst
	}
	return e.cut(dst[:start], r, now, size)
}

// entry appends an entry and returns its size without tag and length. cut is
// the value of CutLabel; empty means none.
func (e *encoder) entry(dst []byte, r *record.Record, now time.Time, cut string) (longer []byte, size int) {
	start := len(dst)
	texts := textsOf(r)
	w := &e.w
	w.b = withRoom(dst, roomFor(&texts, r)+len(e.heartbeatLog))
	w.n, w.high = start, 0
	w.byte(tagOf(requestEntries, protowire.BytesType))
	begin := w.begin()

	at, clamped := e.timestamp(r, now)
	original := ""
	if clamped {
		original = r.Timestamp.UTC().Format(time.RFC3339Nano)
	}
	w.str(entryInsertID, r.Position)
	w.byte(tagOf(entryTimestamp, protowire.BytesType))
	m := w.short()
	w.moment(at.Unix(), int64(at.Nanosecond()))
	w.shortEnd(m)
	switch r.Kind {
	case record.KindText:
		w.severity(severityNotice)
		w.byte(tagOf(entryTextPayload, protowire.BytesType))
		w.varint(uint64(len(r.Text)))
		w.text(r.Text)
		w.labels(r, &texts, original)
	case record.KindHeartbeat:
		w.severity(severityInfo)
		w.str(entryLogName, e.heartbeatLog)
		w.payload(r, &texts, original)
	default:
		w.severity(severity(r))
		w.httpRequest(r)
		w.payload(r, &texts, original)
	}
	if cut != "" {
		w.label(CutLabel, cut)
	}
	end := w.n
	w.end(begin)
	size = end - begin
	dst = w.b[:w.n]
	w.b = nil
	return dst, size
}

// fixedRoom is more than an entry takes besides its strings: of each field the
// head, the longest lengths and a number or time.
const fixedRoom = int(record.NumFields)*(headRoom+maxTimeText+8) + 1024 + slack

// roomFor is more than the entry of a record takes: its strings are in it
// twice at most.
func roomFor(texts *[record.NumFields]string, r *record.Record) int {
	n := len(r.Position)
	for f := range texts {
		n += len(texts[f])
	}
	return 2*n + fixedRoom
}

// withRoom returns b, up to its capacity, with at least n bytes behind its length.
func withRoom(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		grown := make([]byte, len(b), max(cap(b)+cap(b)/2, len(b)+n))
		copy(grown, b)
		b = grown
	}
	return b[:cap(b)]
}

// timestamp returns the event time, or the time of arrival when Cloud Logging
// would not keep the former: it refuses what lies over 24 h ahead, and takes
// but does not store what is older than the retention of its bucket. Both are
// compared with the arrival, not with now, so that a retry has the same
// timestamp and is recognised. Only a line that waited in the spool for longer
// than the retention is moved to the beginning of this day.
func (e *encoder) timestamp(r *record.Record, now time.Time) (at time.Time, clamped bool) {
	arrived := r.Received
	waited := now.Sub(arrived)
	switch {
	case arrived.IsZero() || waited < 0:
		arrived = now
	case waited >= e.retention:
		arrived = now.UTC().Truncate(24 * time.Hour)
	}
	if !r.Present.Has(record.Timestamp) {
		return arrived, false
	}
	if ahead := r.Timestamp.Sub(arrived); ahead > maxAhead || ahead <= -e.retention {
		return arrived, true
	}
	return r.Timestamp, false
}

// severity: 5xx is an error, 4xx a warning, everything else information.
func severity(r *record.Record) uint64 {
	switch {
	case r.Status >= 500:
		return severityError
	case r.Status >= 400:
		return severityWarning
	}
	return severityInfo
}

func (w *wire) severity(v uint64) { w.num(entrySeverity, v) }

// short begins a message of less than 128 bytes; shortEnd writes its length.
func (w *wire) short() int { w.n++; return w.n }

func (w *wire) shortEnd(start int) { w.b[start-1] = byte(w.n - start) }

// httpRequest writes the part that Logs Explorer shows as the summary.
func (w *wire) httpRequest(r *record.Record) {
	w.byte(tagOf(entryHTTPRequest, protowire.BytesType))
	m := w.begin()
	w.str(httpMethod, r.Method)
	w.requestURL(r)
	w.num(httpRequestSize, uint64(max(0, r.RequestBytes)))
	w.num(httpStatus, uint64(min(max(0, r.Status), 1<<15)))
	w.num(httpResponseSize, uint64(max(0, r.ResponseBytes)))
	w.str(httpUserAgent, r.UserAgent)
	w.str(httpRemoteIP, r.ClientIP)
	w.str(httpReferer, r.Referer)
	hit := strings.HasPrefix(r.Cache, "HIT")
	if hit {
		w.num(httpCacheHit, 1)
	}
	if hit || strings.HasPrefix(r.Cache, "MISS") {
		w.num(httpCacheLookup, 1)
	}
	if r.Present.Has(record.ElapsedUsec) && r.ElapsedUsec >= 0 {
		w.byte(tagOf(httpLatency, protowire.BytesType))
		m := w.short()
		w.moment(r.ElapsedUsec/1e6, r.ElapsedUsec%1e6*1000)
		w.shortEnd(m)
	}
	w.str(httpProtocol, r.Protocol)
	w.end(m)
}

// requestURL writes scheme, host, path and query. The scheme is left out when
// the line does not tell it: only our own format says that there was no TLS.
func (w *wire) requestURL(r *record.Record) {
	scheme := ""
	if r.Host != "" {
		switch {
		case r.TLSVersion != "":
			scheme = "https://"
		case r.Present.Has(record.FirstHop):
			scheme = "http://"
		default:
			scheme = "//"
		}
	}
	size := len(scheme) + len(r.Host) + len(r.Path) + len(r.Query)
	if r.Query != "" {
		size++
	}
	if size == 0 {
		return
	}
	w.byte(tagOf(httpURL, protowire.BytesType))
	w.varint(uint64(size))
	w.text(scheme)
	w.text(r.Host)
	w.text(r.Path)
	if r.Query != "" {
		w.byte('?')
		w.text(r.Query)
	}
}

// textsOf are the strings of a record that belong into a payload.
func textsOf(r *record.Record) [record.NumFields]string {
	return [record.NumFields]string{
		record.ServiceID: r.ServiceID, record.RequestID: r.RequestID, record.POP: r.POP, record.ClientIP: r.ClientIP,
		record.ClientCountry: r.ClientCountry, record.Host: r.Host, record.Method: r.Method, record.Path: r.Path, record.Query: r.Query,
		record.Protocol: r.Protocol, record.Cache: r.Cache, record.UserAgent: r.UserAgent, record.Referer: r.Referer,
		record.TLSVersion: r.TLSVersion, record.TLSCipher: r.TLSCipher, record.JA3: r.JA3, record.JA4: r.JA4, record.BotName: r.BotName,
		record.Kind: r.Kind, record.Text: r.Text, record.Node: r.Node, record.Endpoint: r.Endpoint, record.Sender: r.Sender,
		record.AddressSource: r.AddressSource, record.TimeSource: r.TimeSource, record.Problem: r.Problem, record.ClientKey: r.ClientKey,
		record.ClientPrefix: r.ClientPrefix, record.Extra: r.Extra,
	}
}

// payload writes the record as a Struct. It names every field, which is much
// faster than to look each up; a test compares it with the table.
func (w *wire) payload(r *record.Record, texts *[record.NumFields]string, original string) {
	w.byte(tagOf(entryJSONPayload, protowire.BytesType))
	m := w.begin()
	w.stringFields(texts)
	w.intField(r, record.ClientASN, r.ClientASN)
	w.intField(r, record.Status, r.Status)
	w.intField(r, record.ResponseBytes, r.ResponseBytes)
	w.intField(r, record.RequestBytes, r.RequestBytes)
	w.intField(r, record.ElapsedUsec, r.ElapsedUsec)
	w.intField(r, record.TTFBUsec, r.TTFBUsec)
	w.boolField(r, record.FirstHop, r.FirstHop)
	w.boolField(r, record.Blocked, r.Blocked)
	w.boolField(r, record.WouldBlock, r.WouldBlock)
	w.timeField(r, record.Received, r.Received)
	if original != "" {
		w.longField(&originalHead, original)
	}
	w.end(m)
}

// stringFields writes the strings of a Struct that are not empty.
func (w *wire) stringFields(texts *[record.NumFields]string) {
	b, n, high := w.b, w.n, w.high
	for f := range texts {
		s := texts[f]
		switch {
		case s == "":
			continue
		case len(s) > maxShort:
			w.n = n
			w.longField(&heads[f], s)
			n = w.n
			continue
		}
		h := &heads[f]
		*(*[headRoom]byte)(b[n:]) = h.b
		h.lengths(b[n:], len(s))
		n += int(h.n)
		high |= copyText(b[n:], s)
		n += len(s)
	}
	w.n, w.high = n, high|w.high
}

// labels writes what is known of a line that was not understood.
func (w *wire) labels(r *record.Record, texts *[record.NumFields]string, original string) {
	for f, s := range texts {
		if s != "" && record.Field(f) != record.Text {
			w.label(record.Fields[f].Name, shortLabel(s))
		}
	}
	if r.Present.Has(record.Received) {
		w.label(record.Fields[record.Received].Name, r.Received.UTC().Format(time.RFC3339Nano))
	}
	if original != "" {
		w.label(OriginalTimestamp, original)
	}
}

func (w *wire) label(name, value string) {
	w.byte(tagOf(entryLabels, protowire.BytesType))
	m := w.begin()
	w.str(mapKey, name)
	// An empty value is written too, as the library does for a map.
	w.byte(tagOf(mapValue, protowire.BytesType))
	w.varint(uint64(len(value)))
	w.text(value)
	w.end(m)
}
