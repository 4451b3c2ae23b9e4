package detecttest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// ReferenceWhole goes through everything an offender's key asked for in the window of its rule.
func ReferenceWhole(q detect.Query, o detect.Offender, recs []record.Record) detect.Whole {
	rule := q.Set.Rules()[slices.IndexFunc(q.Set.Rules(), func(r detect.Rule) bool { return r.Name == o.Rule })]
	if o.Trust != (detect.Trust{}) || rule.Where == "true" || rule.Group != detect.ByAddress && rule.Group != detect.ByPrefix {
		return detect.Whole{} // nobody asks
	}
	var all []row
	for _, r := range rowsOf(q, recs) {
		if r.base && r.trust == o.Trust && keyOf(rule.Group, r.Record) == o.Key && r.Timestamp.Before(q.To) && !r.Timestamp.Before(q.To.Add(-rule.Window)) {
			all = append(all, r)
		}
	}
	return measure(q, all).InAll()
}

// checkWholes asks for the whole of what offenders did, twice, since an engine may have to try again.
func checkWholes(t *testing.T, e detect.Engine, c Case, offenders []detect.Offender) {
	t.Helper()
	scan, attach, _, asks := c.Query.Wholes(offenders, func(o detect.Offender) bool { return len(o.Key)%2 == 0 })
	if !asks {
		return
	}
	for range 2 {
		if _, err := e.Scan(t.Context(), scan); err != nil {
			t.Fatalf("Wholes: %v", err)
		}
	}
	attach()
	for _, o := range offenders {
		if d := cmp.Diff(ReferenceWhole(c.Query, o, c.Records), o.Measures.Whole); d != "" {
			t.Errorf("the whole of %s under %s differs (-want +got):\n%s", o.Key, o.Rule, d)
		}
	}
}

// shared are requests of an office: few errors among many that go well, of many devices, beside an address that makes as many
// errors and nothing else. A rule's window is shorter than the set's, and there are rows that count nowhere.
func shared() []record.Record {
	var recs []record.Record
	for i := range 90 {
		at := T.Add(-time.Duration(i) * 9 * time.Second).Add(-time.Second)
		device := func(r *record.Record) {
			r.JA4 = []string{"t13d1516h2", "t13d1517h2", "t12d0905h1", "", "t13d1514h1", "t13d1513h1"}[i%6]
		}
		status := int64(200)
		if i%9 == 0 {
			status = 404
		}
		recs = append(recs, Request(at, "203.0.113.7", "/p", status, device), Request(at, "203.0.113.8", "/p", 404, device))
		switch i % 6 {
		case 0:
			recs = append(recs, Request(at, "203.0.113.7", "/refused", 200, func(r *record.Record) { r.SetBool(record.Blocked, true) }))
		case 1:
			recs = append(recs, Request(at, "203.0.113.7", "/shield", 200, func(r *record.Record) { r.SetBool(record.FirstHop, false) }))
		case 2:
			recs = append(recs, Request(at, "203.0.113.7", "/forged", 200, func(r *record.Record) { r.AddressSource = record.AddressHeader }))
		case 3:
			recs = append(recs, Request(at, "203.0.113.7", "/late", 200, func(r *record.Record) { r.TimeSource = record.TimeReceived }))
		}
	}
	for i := range recs {
		recs[i].Position = fmt.Sprintf("0123456789abcdef-%016x", i)
	}
	return recs
}
