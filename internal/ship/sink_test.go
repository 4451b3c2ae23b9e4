package ship_test

import (
	"testing"

	"edgewarden/internal/record"
)

func TestATapSeesEachRecordBeforeTheSinkDoes(t *testing.T) {
	var seen, stored []string
	b := batch(requests(5)...).Tap(func(r *record.Record) { seen = append(seen, r.Path) })
	for i, r := range b.Records {
		if len(seen) != i+1 || seen[i] != r.Path {
			t.Errorf("record %d: seen so far %v", i, seen)
		}
		if stored = append(stored, r.Path); len(stored) == 3 {
			break // the sink failed
		}
	}
	if len(seen) != 3 || b.Len != 5 {
		t.Errorf("%d seen of %d, want the three that the sink took", len(seen), b.Len)
	}
}
