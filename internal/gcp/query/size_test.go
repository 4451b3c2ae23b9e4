package query_test

import (
	"testing"

	"edgewarden/internal/gcp/query"
)

func TestSizesAreWrittenForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 900: "900 bytes", 12 << 10: "12 KiB", 212 << 20: "212 MiB", 60 << 30: "60.0 GiB", 3 << 39: "1.50 TiB"} {
		if got := query.Size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestALimitIsNeverBelowWhatIsNeeded(t *testing.T) {
	for n, want := range map[int64]string{1: "1MiB", 10 << 20: "10MiB", 10<<20 + 1: "11MiB", 60 << 30: "60GiB", 60<<30 + 1: "61GiB"} {
		if got := query.Limit(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
