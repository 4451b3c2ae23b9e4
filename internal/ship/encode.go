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
	n int
}

func newHead(name string, value []byte, rest int) (h head) {
	b := append(h.b[:0], tagOf(structFields, protowire.BytesType), byte(2+len(name)+2+len(value)+rest), tagOf(mapKey, protowire.BytesType), byte(len(name)))
	b = append(b, name...)
	b = append(b, tagOf(mapValue, protowire.BytesType), byte(len(value)+rest))
	b = append(b, value...)
	if len(b) > headRoom {
		panic("ship: bug: the field name " + name + " is too long")
	}
	h.n = len(b)
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

// put writes a head.
func (w *wire) put(h *head) {
	*(*[headRoom]byte)(w.b[w.n : w.n+headRoom]) = h.b
	w.n += h.n
}

// stringField writes a field of a Struct.
func (w *wire) stringField(h *head, s string) {
	if len(s) > maxShort {
		w.longField(h, s)
		return
	}
	n := w.n
	w.put(h)
	w.lengths(h, n, len(s))
	w.text(s)
}

// lengths fills in what depends on the length of a short string in the field
// that begins at n.
func (w *wire) lengths(h *head, n, size int) {
	w.b[n+1] = byte(h.n - 2 + size)
	w.b[n+h.n-3] = byte(2 + size)
	w.b[n+h.n-1] = byte(size)
}

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

func (w *wire) timeField(h *head, t time.Time) {
	n := w.n
	w.put(h)
	w.lengths(h, n, w.rfc3339(t))
}

func (w *wire) intField(h *head, v int64) {
	w.put(h)
	binary.LittleEndian.PutUint64(w.b[w.n:], math.Float64bits(float64(v)))
	w.n += 8
}

func (w *wire) boolField(h *head, v bool) {
	w.put(h)
	var c byte
	if v {
		c = 1
	}
	w.byte(c)
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
	w := &e.w
	w.b = withRoom(dst, 2*textBytes(r)+len(e.heartbeatLog)+fixedRoom)
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
		w.labels(r, original)
	case record.KindHeartbeat:
		w.severity(severityInfo)
		w.str(entryLogName, e.heartbeatLog)
		w.payload(r, original)
	default:
		w.severity(severity(r))
		w.httpRequest(r)
		w.payload(r, original)
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

// textBytes is how long the strings of a record are together.
func textBytes(r *record.Record) int {
	return len(r.ServiceID) + len(r.RequestID) + len(r.POP) + len(r.ClientIP) + len(r.ClientCountry) + len(r.Host) + len(r.Method) +
		len(r.Path) + len(r.Query) + len(r.Protocol) + len(r.Cache) + len(r.UserAgent) + len(r.Referer) + len(r.TLSVersion) +
		len(r.TLSCipher) + len(r.JA3) + len(r.JA4) + len(r.BotName) + len(r.Kind) + len(r.Text) + len(r.Position) + len(r.Node) +
		len(r.Endpoint) + len(r.Sender) + len(r.AddressSource) + len(r.TimeSource) + len(r.Problem) + len(r.ClientKey) +
		len(r.ClientPrefix) + len(r.Extra)
}

// withRoom returns b, up to its capacity, with at least n bytes behind its length.
func withRoom(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		grown := make([]byte, len(b), max(2*cap(b), len(b)+n))
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
	if arrived.IsZero() || arrived.After(now) {
		arrived = now
	}
	if now.Sub(arrived) >= e.retention {
		arrived = now.UTC().Truncate(24 * time.Hour)
	}
	if !r.Has(record.Timestamp) {
		return arrived, false
	}
	t := r.Timestamp
	if t.After(arrived.Add(maxAhead)) || !t.After(arrived.Add(-e.retention)) {
		return arrived, true
	}
	return t, false
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

// inPayload are the fields that a payload can have, by type.
var inPayload = func() (by [4][]record.Field) {
	for f := record.Field(0); f < record.NumFields; f++ {
		if f != record.Timestamp && f != record.Position {
			by[record.Fields[f].Type] = append(by[record.Fields[f].Type], f)
		}
	}
	return by
}()

// payload writes the record as a Struct.
func (w *wire) payload(r *record.Record, original string) {
	w.byte(tagOf(entryJSONPayload, protowire.BytesType))
	m := w.begin()
	for _, f := range inPayload[record.String] {
		if s := *r.Str(f); s != "" {
			w.stringField(&heads[f], s)
		}
	}
	for _, f := range inPayload[record.Int] {
		if r.Present.Has(f) {
			w.intField(&heads[f], *r.Int(f))
		}
	}
	for _, f := range inPayload[record.Bool] {
		if r.Present.Has(f) {
			w.boolField(&heads[f], *r.Bool(f))
		}
	}
	for _, f := range inPayload[record.Time] {
		if r.Present.Has(f) {
			w.timeField(&heads[f], *r.Time(f))
		}
	}
	if original != "" {
		w.stringField(&originalHead, original)
	}
	w.end(m)
}

// labels writes what is known of a line that was not understood.
func (w *wire) labels(r *record.Record, original string) {
	for _, f := range inPayload[record.String] {
		if s := *r.Str(f); s != "" && f != record.Text {
			w.label(record.Fields[f].Name, shortLabel(s))
		}
	}
	for _, f := range inPayload[record.Time] {
		if r.Present.Has(f) {
			w.label(record.Fields[f].Name, r.Time(f).UTC().Format(time.RFC3339Nano))
		}
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
