package ship

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"edgewarden/internal/record"
)

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
// Strings that are not valid UTF-8 are repaired, where that was not done
// before, and an entry that is too large is cut.
func (e *encoder) append(dst []byte, r *record.Record, now time.Time) []byte {
	if !r.UTF8 {
		fixed := repaired(r)
		r = &fixed
	}
	start := len(dst)
	dst, size := e.entry(dst, r, now, "")
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
	w.b, w.n = dst[:cap(dst)], start
	w.room(0)
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
