package detecttest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// shielded are requests of a format that does not say first_hop: the shield logs each request again that the edge did not
// answer by itself, with the same id, under an address of its own. Among them is what has to be left out.
func shielded() []record.Record {
	var recs []record.Record
	foreign := func(r *record.Record) {
		r.Present &^= 1 << record.FirstHop
		r.AddressSource = record.AddressHeader
	}
	for i := range 60 {
		at := T.Add(-time.Duration(i) * 3 * time.Second).Add(-time.Second)
		id := func(r *record.Record) { r.RequestID = fmt.Sprintf("0f8fad5b-%04d", i) }
		recs = append(recs, Request(at, fmt.Sprintf("203.0.113.%d", i%7), "/p", 200, foreign, id))
		if i%3 == 0 {
			continue // a hit at the edge
		}
		recs = append(recs, Request(at, "192.0.2.1", "/p", 200, foreign, id))
		switch i % 5 {
		case 0: // our own format says which is which
			recs = append(recs, Request(at, "192.0.2.1", "/p", 200, id, func(r *record.Record) { r.SetBool(record.FirstHop, i%2 == 0) }))
		case 1: // no id is no id twice
			recs = append(recs, Request(at, "203.0.113.9", "/p", 200, foreign), Request(at, "203.0.113.9", "/p", 200, foreign))
		case 2:
			recs = append(recs, Request(at, "192.0.2.1", "/p", 200, foreign, id, func(r *record.Record) { r.TimeSource = record.TimeReceived }))
		case 3:
			recs = append(recs, Request(at, "192.0.2.1", "/p", 200, foreign, id, func(r *record.Record) { r.ServiceID = "SVC2" }))
		}
	}
	for i := range recs {
		recs[i].Position = fmt.Sprintf("0123456789abcdef-%016x", i)
	}
	return recs
}

// ReferenceRepeats looks at the last whole minute before newest.
func ReferenceRepeats(q detect.Query, newest time.Time, recs []record.Record) detect.Repeats {
	end := newest.Truncate(time.Minute)
	r := detect.Repeats{Minute: end.Add(-time.Minute)}
	seen := map[string]bool{}
	for _, row := range rowsOf(q, recs) {
		if row.Timestamp.Before(r.Minute) || !row.Timestamp.Before(end) || row.Has(record.FirstHop) || row.TimeSource == record.TimeReceived || row.RequestID == "" {
			continue
		}
		r.Rows++
		if seen[row.RequestID] {
			r.Repeated++
		}
		seen[row.RequestID] = true
	}
	return r
}

func checkRepeats(t *testing.T, e detect.Engine, c Case, newest time.Time) {
	t.Helper()
	got := detect.Repeats{Rows: 77, Repeated: 7} // of an attempt before
	if _, err := e.Scan(t.Context(), c.Query.Repeats(newest, &got)); err != nil {
		t.Fatalf("Repeats: %v", err)
	}
	if d := cmp.Diff(ReferenceRepeats(c.Query, newest, c.Records), got); d != "" {
		t.Errorf("repeated request ids differ (-want +got):\n%s", d)
	}
}
