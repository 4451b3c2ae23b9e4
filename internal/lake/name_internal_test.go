package lake

// Internal, because what a file name says is known here alone.

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesReadBackAsWhatWasWritten(t *testing.T) {
	for _, n := range []name{
		{spool: "00c0ffee00c0ffee", from: 0, to: 1},
		{spool: "ffffffffffffffff", from: 1 << 40, to: ^uint64(0)},
		{sum: strings.Repeat("a1", 16)},
		{sum: strings.Repeat("0", minSumLen)},
	} {
		got, ok := parseName(n.String())
		if !ok || got != n {
			t.Errorf("%s reads as %+v, %v; want %+v", n, got, ok, n)
		}
	}
}

func TestNamesTheLakeNeverWritesAreNotItsFiles(t *testing.T) {
	for _, s := range []string{
		"", ".parquet", "a.parquet", "import-.parquet", "import-abc.parquet", "import-" + strings.Repeat("0", 65) + ".parquet",
		"import-" + strings.Repeat("G", 16) + ".parquet",
		"00c0ffee00c0ffee-0000000000000001-0000000000000001.parquet", // empty
		"00c0ffee00c0ffee-0000000000000002-0000000000000001.parquet", // backwards
		"00C0FFEE00c0ffee-0000000000000000-0000000000000001.parquet", // upper case
		"00c0ffee00c0ffee-+000000000000000-0000000000000001.parquet",
		"00c0ffee00c0ffee_0000000000000000-0000000000000001.parquet",
		"00c0ffee00c0ffee-0000000000000000-0000000000000001.parquet.tmp",
		".tmp-00c0ffee00c0ffee-0000000000000000-0000000000000001.parquet-123",
	} {
		if n, ok := parseName(s); ok {
			t.Errorf("%q is taken for %+v", s, n)
		}
	}
}

// A name has one reading and one spelling, and never reaches out of its folder.
func FuzzName(f *testing.F) {
	f.Add("00c0ffee00c0ffee-0000000000000000-00000000000000ff.parquet")
	f.Add("import-5d41402abc4b2a76b9719d911017c592.parquet")
	f.Add("../x.parquet")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseName(s)
		if !ok {
			return
		}
		if n.String() != s {
			t.Errorf("%q reads as %+v, which is written %q", s, n, n)
		}
		if strings.ContainsAny(s, "/\\") || strings.HasPrefix(s, ".") {
			t.Errorf("%q is a path", s)
		}
		if !n.covers(n) {
			t.Errorf("%q does not cover itself", s)
		}
	})
}

// The set of positions against the plainest thing that can hold one.
func FuzzSpans(f *testing.F) {
	f.Add([]byte{10, 20, 5, 25, 30, 40})
	f.Add([]byte{0, 1, 1, 2, 2, 3, 5, 6})
	f.Fuzz(func(t *testing.T, b []byte) {
		var set spans
		var plain [256]bool
		for ; len(b) >= 2; b = b[2:] {
			from, to := uint64(min(b[0], b[1])), uint64(max(b[0], b[1]))
			var missing []uint64
			for _, m := range set.missing(span{from, to}) {
				for p := m.from; p < m.to; p++ {
					missing = append(missing, p)
				}
			}
			var want []uint64
			for p := from; p < to; p++ {
				if !plain[p] {
					want = append(want, p)
				}
				plain[p] = true
			}
			if !slices.Equal(missing, want) {
				t.Fatalf("missing of [%d, %d) in %v: %v, want %v", from, to, set, missing, want)
			}
			set.add(span{from, to})
			if !set.has(span{from, to}) {
				t.Fatalf("[%d, %d) is not in %v after it was added", from, to, set)
			}
			for i := 1; i < len(set); i++ {
				if set[i-1].to >= set[i].from {
					t.Fatalf("%v touches or overlaps", set)
				}
			}
		}
	})
}
