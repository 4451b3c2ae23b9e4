package detecttest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/record"
)

// checkHours looks at the three hours before T.
func checkHours(t *testing.T, e detect.Replayer, recs []record.Record) {
	t.Helper()
	q := detect.Query{Set: MustCompile(detect.Rule{Name: "long", Window: 3 * time.Hour}), ServiceID: Service, To: T} // the reference's rows are those of a window
	from := q.From()
	got := []detect.HourRow{{Rows: 77}} // of an attempt before
	if _, err := e.Scan(t.Context(), q.Hours(from, &got)); err != nil {
		t.Fatalf("Hours: %v", err)
	}
	byHour := map[int64]detect.HourRow{}
	for _, r := range rowsOf(q, recs) {
		if !r.Timestamp.Before(q.To) || !r.base {
			continue
		}
		us := r.Timestamp.UnixMicro()
		h, known := byHour[us/3600e6]
		if !known {
			h = detect.HourRow{FirstUs: us, LastUs: us}
		}
		byHour[us/3600e6] = detect.HourRow{FirstUs: min(h.FirstUs, us), LastUs: max(h.LastUs, us), Rows: h.Rows + 1}
	}
	var want []detect.HourRow
	for _, h := range byHour {
		want = append(want, h)
	}
	slices.SortFunc(want, func(a, b detect.HourRow) int { return cmp.Compare(a.FirstUs, b.FirstUs) })
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("hours with rows differ (-want +got):\n%s", d)
	}
}
