package detecttest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// claimedID is the request id that the rows of claimed share.
const claimedID = `4f0e-_'"\req`

// claimed are rows of one request: the edge refused it, the shield says so too, and strangers claim its id more often than rows
// are told. Others have another id, another service or another time.
func claimed() []record.Record {
	var recs []record.Record
	at := T.Add(-3 * time.Minute)
	add := func(at time.Time, client string, status int64, edit ...func(*record.Record)) {
		edit = append([]func(*record.Record){func(r *record.Record) { r.RequestID = claimedID }}, edit...)
		recs = append(recs, Request(at, client, "/p", status, edit...))
	}
	add(at, "203.0.113.9", 403, func(r *record.Record) { r.SetBool(record.Blocked, true) })
	add(at.Add(time.Second), "192.0.2.1", 403, func(r *record.Record) { r.SetBool(record.FirstHop, false); r.AddressSource = record.AddressHeader })
	add(at.Add(2*time.Second), "203.0.113.9", 403, func(r *record.Record) { r.TimeSource = record.TimeReceived })
	for i := range detect.MaxSightings + 20 {
		add(at.Add(time.Duration(i)*time.Second/2), "198.51.100.1", 200, func(r *record.Record) { r.Sender = record.SenderNone })
	}
	add(at, "198.51.100.2", 200, func(r *record.Record) { r.ServiceID = "SVC2" })
	add(at, "198.51.100.2", 200, func(r *record.Record) { r.RequestID += "2" })
	add(T.Add(-time.Hour), "198.51.100.2", 200)
	add(T, "198.51.100.2", 200)
	add(at.Add(-time.Second), "203.0.113.9", 200)
	add(at.Add(-2*time.Second), "203.0.113.9", 200, func(r *record.Record) { r.Kind = record.KindText })
	for i := range recs {
		recs[i].Position = fmt.Sprintf("0123456789abcdef-%016x", i)
	}
	return recs
}

// ReferenceLookup goes through the records of the query's window.
func ReferenceLookup(q detect.Query, id string, recs []record.Record) []detect.Sighting {
	var out []detect.Sighting
	number := func(is bool) int64 {
		if is {
			return 1
		}
		return 0
	}
	for _, r := range rowsOf(q, recs) {
		if r.RequestID != id || !r.Timestamp.Before(q.To) {
			continue
		}
		out = append(out, detect.Sighting{Key: r.ClientKey, Us: r.Timestamp.UnixMicro(), Status: status(r.Record), Class: int64(order(r.trust)),
			Refused: number(r.refused), Shield: number(isShield(r.Record)), Received: number(r.TimeSource == record.TimeReceived)})
	}
	slices.SortFunc(out, func(a, b detect.Sighting) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Shield, b.Shield), cmp.Compare(a.Received, b.Received), cmp.Compare(b.Refused, a.Refused), cmp.Compare(b.Us, a.Us),
			strings.Compare(a.Key, b.Key), cmp.Compare(a.Status, b.Status))
	})
	return out[:min(len(out), detect.MaxSightings)]
}

func checkLookup(t *testing.T, e detect.Engine, c Case) {
	t.Helper()
	got := []detect.Sighting{{Key: "of an attempt before"}}
	if _, err := e.Scan(t.Context(), c.Query.Lookup(c.Lookup, c.Query.From(), c.Query.To, &got)); err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	if d := gocmp.Diff(ReferenceLookup(c.Query, c.Lookup, c.Records), got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the rows of request %s differ (-want +got):\n%s", c.Lookup, d)
	}
}
