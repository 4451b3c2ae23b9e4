package lake_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

func sum(input string) string {
	s := sha256.Sum256([]byte(input))
	return hex.EncodeToString(s[:])
}

// imported imports rows as the input with the given name.
func imported(t testing.TB, dir, input string, rs []record.Record) lake.Imported {
	t.Helper()
	m, err := lake.NewImporter(dir, sum(input))
	if err != nil {
		t.Fatal(err)
	}
	for i := range rs {
		if err := m.Add(&rs[i]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := m.Commit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestImportingTheSameInputAgainReplacesIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	rs := rows(0, 100, alternate)
	if got, want := imported(t, dir, "a.log", rs), (lake.Imported{Rows: 100, Hours: 2}); got != want {
		t.Errorf("imported %+v, want %+v", got, want)
	}
	wantOnce(t, dir, 100)
	imported(t, dir, "a.log", rs)
	wantOnce(t, dir, 100)
	if got := len(onDisk(t, dir)); got != 2 {
		t.Errorf("%d files, want one an hour", got)
	}
	// Understood better the second time: all rows are in another hour now.
	moved := rows(0, 100, func(p uint64) time.Time { return steady(p).Add(7 * time.Hour) })
	imported(t, dir, "a.log", moved)
	wantOnce(t, dir, 100)
	if got := onDisk(t, dir); len(got) != 1 {
		t.Errorf("the lake holds\n%swant no file of the first import left", list(got))
	}
}

func TestImportsOfDifferentInputsAndLiveRowsStandSideBySide(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	rs := rows(0, 300, alternate)
	write(t, w, rs, 0, 100)
	imported(t, dir, "a.log", rs[100:200])
	imported(t, dir, "b.log", rs[200:300])
	wantOnce(t, dir, 300)
	maintain(t, w, noon.Add(9*time.Hour))
	wantOnce(t, dir, 300)
}

func TestAnImportLargerThanItsMemoryComesOutInOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred thousand rows")
	}
	dir := t.TempDir()
	const n = 110_000 // more than twice what is sorted in memory
	rs := make([]record.Record, n)
	for p := range rs {
		// A file in no order at all: neighbours are far apart.
		rs[p] = row(uint64(p), noon.Add(time.Duration(p*7919%n)*10*time.Millisecond))
	}
	imported(t, dir, "big.log", rs)
	all, files := selected(t, dir)
	if len(files) != 1 || len(all) != n {
		t.Fatalf("%d rows in %d files, want %d in one", len(all), len(files), n)
	}
	if !slices.IsSortedFunc(all, func(a, b record.Record) int { return a.Timestamp.Compare(b.Timestamp) }) {
		t.Error("the file is not in order of time")
	}
	if temps, _ := filepath.Glob(filepath.Join(dir, ".tmp-*")); len(temps) != 0 {
		t.Errorf("the import leaves %v", temps)
	}
}

func TestAnImportedRowWithoutPositionGetsOneThatStaysTheSame(t *testing.T) {
	dir := t.TempDir()
	rs := rows(0, 3, steady)
	for i := range rs {
		rs[i].Position = ""
	}
	var first []string
	for range 2 {
		imported(t, dir, "a.log", rs)
		all, _ := selected(t, dir)
		var got []string
		for _, r := range all {
			got = append(got, r.Position)
		}
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) || len(slices.Compact(got)) != 3 || !strings.HasPrefix(got[0], sum("a.log")[:16]+"-") {
			t.Errorf("positions %v, first time %v; want three, the same each time, that begin with the sum", got, first)
		}
	}
}

func TestNothingIsVisibleOfAnImportThatIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	m, err := lake.NewImporter(dir, sum("a.log"))
	if err != nil {
		t.Fatal(err)
	}
	r := row(0, noon)
	if err := m.Add(&r); err != nil {
		t.Fatal(err)
	}
	m.Abort()
	if got, _ := filepath.Glob(filepath.Join(dir, "*")); len(got) != 0 {
		t.Errorf("it leaves %v", got)
	}
}

func TestAnImportNeedsARealSum(t *testing.T) {
	for _, s := range []string{"", "abc", strings.Repeat("g", 64), "../../../../../../../../../../../etc/passwd_____________________"} {
		if _, err := lake.NewImporter(t.TempDir(), s); err == nil {
			t.Errorf("%q is taken for a SHA-256", s)
		}
	}
}
