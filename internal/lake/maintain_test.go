package lake_test

import (
	"context"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

const grace = 5 * time.Minute

func maintain(t testing.TB, w *lake.Writer, now time.Time) {
	t.Helper()
	if err := w.Maintain(context.Background(), now); err != nil {
		t.Fatal(err)
	}
}

func mustSelect(t testing.TB, dir string) []string {
	t.Helper()
	files, err := lake.Select(dir, time.Unix(0, 0), noon.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNeighboursBecomeOneFileInOrderOfTimeWithEveryField(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	// Two batches whose times interleave.
	rs := rows(0, 2000, func(p uint64) time.Time { return steady(p % 1000).Add(time.Duration(p/1000) * time.Millisecond) })
	rs[0] = full(0, noon)
	write(t, w, rs, 0, 1000)
	write(t, w, rs, 1000, 2000)
	maintain(t, w, noon.Add(2*time.Minute))
	all, files := selected(t, dir)
	if len(files) != 1 {
		t.Fatalf("a reader sees\n%swant one file", list(files))
	}
	if !slices.IsSortedFunc(all, func(a, b record.Record) int { return a.Timestamp.Compare(b.Timestamp) }) {
		t.Error("the merged file is not in order of time")
	}
	i := slices.IndexFunc(all, func(r record.Record) bool { return r.Position == rs[0].Position })
	if i < 0 || all[i] != rs[0] {
		t.Errorf("a row of the merged file differs from what was written")
	}
	wantOnce(t, dir, 2000)
}

func TestMergedFilesStayForTheGraceAndThenGo(t *testing.T) {
	dir := t.TempDir()
	w := openWith(t, lake.Options{Dir: dir, Grace: grace})
	rs := rows(0, 300, steady)
	for p := uint64(0); p < 300; p += 100 {
		write(t, w, rs, p, p+100)
	}
	before := mustSelect(t, dir)
	now := noon.Add(time.Hour)
	maintain(t, w, now)
	maintain(t, w, now.Add(grace-time.Second))
	mustExist(t, before)
	wantOnce(t, dir, 300)
	maintain(t, w, now.Add(grace))
	if got := onDisk(t, dir); len(got) != 1 {
		t.Errorf("after the grace the lake holds\n%swant the merged file alone", list(got))
	}
	wantOnce(t, dir, 300)
}

func TestAGapThatTheBacklogMayFillIsNotMergedAcross(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	rs := rows(0, 300, steady)
	write(t, w, rs, 0, 100)
	write(t, w, rs, 200, 300)
	later := noon.Add(3 * time.Hour)
	maintain(t, w, later)
	if got := mustSelect(t, dir); len(got) != 2 {
		t.Fatalf("merged across a gap:\n%s", list(got))
	}
	write(t, w, rs, 100, 200)
	maintain(t, w, later)
	if got := mustSelect(t, dir); len(got) != 1 {
		t.Errorf("a reader sees\n%swant one file once the gap is filled", list(got))
	}
	wantOnce(t, dir, 300)
}

// A batch without rows of an hour leaves a gap in that hour's files; the Writer
// that wrote the batch knows that nothing can come, one opened later does not.
func TestAGapOfOtherHoursIsMergedAcrossByTheWriterThatWroteIt(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		dir := t.TempDir()
		w := open(t, dir)
		rs := rows(0, 300, func(p uint64) time.Time { return noon.Add(time.Duration(p/100%2) * time.Hour) })
		for p := uint64(0); p < 300; p += 100 {
			write(t, w, rs, p, p+100)
		}
		want := 2 // one file an hour
		if reopen {
			w.Close()
			w = open(t, dir)
			want = 3
		}
		maintain(t, w, noon.Add(5*time.Hour))
		if got := mustSelect(t, dir); len(got) != want {
			t.Errorf("reopened %v: a reader sees\n%swant %d files", reopen, list(got), want)
		}
		wantOnce(t, dir, 300)
		write(t, w, rs, 50, 250) // redelivered all the same
		wantOnce(t, dir, 300)
	}
}

func TestRedeliveryAfterAMergeAddsOnlyWhatIsMissing(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		dir := t.TempDir()
		w := open(t, dir)
		rs := rows(0, 400, alternate)
		write(t, w, rs, 100, 200)
		write(t, w, rs, 200, 300)
		maintain(t, w, noon.Add(time.Minute))
		if reopen {
			w.Close()
			w = open(t, dir)
		}
		write(t, w, rs, 50, 350)
		write(t, w, rs, 0, 400)
		maintain(t, w, noon.Add(9*time.Hour))
		maintain(t, w, noon.Add(10*time.Hour))
		wantOnce(t, dir, 400)
		if got := onDisk(t, dir); len(got) != 2 {
			t.Errorf("the lake holds\n%swant one file an hour", list(got))
		}
	}
}

// A crash after the merged file got its name and before its sources went.
func TestACrashInAMergeDoublesNothing(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	rs := rows(0, 200, steady)
	write(t, w, rs, 0, 100)
	write(t, w, rs, 100, 200)
	maintain(t, w, noon.Add(time.Minute))
	w.Close()
	if got := len(onDisk(t, dir)); got != 3 {
		t.Fatalf("%d files, want both sources and their merge", got)
	}
	w = openWith(t, lake.Options{Dir: dir, Grace: grace})
	wantOnce(t, dir, 200)
	maintain(t, w, noon.Add(time.Hour)) // the grace begins anew
	maintain(t, w, noon.Add(time.Hour+grace))
	if got := len(onDisk(t, dir)); got != 1 {
		t.Errorf("%d files, want the merge alone", got)
	}
	wantOnce(t, dir, 200)
}

func TestLateRowsReopenAnHourWithoutRewritingItEachTime(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	const closed, late = 40_000, 10
	rs := rows(0, closed+late, steady)
	noise := make([]byte, 256)
	random := rand.NewChaCha8([32]byte{1})
	for i := range rs {
		random.Read(noise)
		rs[i].Text = base64.StdEncoding.EncodeToString(noise) // does not compress away
	}
	write(t, w, rs, 0, closed/2)
	write(t, w, rs, closed/2, closed)
	later := noon.Add(4 * time.Hour)
	maintain(t, w, later)
	big := mustSelect(t, dir)
	if len(big) != 1 {
		t.Fatalf("a reader sees\n%swant one file for the closed hour", list(big))
	}
	write(t, w, rs, closed, closed+1)
	maintain(t, w, later)
	after := mustSelect(t, dir)
	info, err := os.Stat(big[0])
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 8<<20 {
		t.Fatalf("the hour's file has %d bytes, too few for the rule under test", info.Size())
	}
	if len(after) != 2 {
		t.Errorf("one late row has an hour of %d bytes rewritten; a reader sees\n%s", info.Size(), list(after))
	}
	for p := uint64(closed + 1); p < closed+late; p++ {
		write(t, w, rs, p, p+1)
	}
	maintain(t, w, later)
	if got := mustSelect(t, dir); len(got) != 1 {
		t.Errorf("ten late files are not merged; a reader sees\n%s", list(got))
	}
}

func TestAnOpenHourIsMergedInSteps(t *testing.T) {
	dir := t.TempDir()
	w := openWith(t, lake.Options{Dir: dir, Grace: time.Second})
	rs := rows(0, 72, steady)
	now := noon
	for p := uint64(0); p < 72; p++ {
		write(t, w, rs, p, p+1)
		now = now.Add(5 * time.Second)
		if p%12 == 11 {
			maintain(t, w, now)
			if got := len(mustSelect(t, dir)); got != 1 {
				t.Fatalf("a reader sees %d files after maintaining, want 1", got)
			}
		}
	}
	wantOnce(t, dir, 72)
	if got := len(onDisk(t, dir)); got > 1+12+1 {
		t.Errorf("%d files on disk: merged ones do not go", got)
	}
}

func TestOneProcessCompactsAndTheOthersOnlyAdd(t *testing.T) {
	dir := t.TempDir()
	first, second := open(t, dir), open(t, dir)
	rs := rows(0, 200, steady)
	maintain(t, first, noon) // takes the lock
	write(t, second, rs, 0, 100)
	write(t, second, rs, 100, 200)
	maintain(t, second, noon)
	if got := len(onDisk(t, dir)); got != 2 {
		t.Fatalf("the second Writer compacts beside the first: %d files", got)
	}
	first.Close()
	maintain(t, second, noon)
	if got := len(onDisk(t, dir)); got != 3 {
		t.Errorf("the second Writer does not take over: %d files", got)
	}
	wantOnce(t, dir, 200)
}

func TestRetentionGoesByArrivalNotByEventTime(t *testing.T) {
	dir := t.TempDir()
	w := openWith(t, lake.Options{Dir: dir, RetainFor: 24 * time.Hour, Grace: time.Second})
	now := time.Now()
	old := rows(0, 100, func(uint64) time.Time { return noon.AddDate(-3, 0, 0) }) // arrives now, happened long ago
	write(t, w, old, 0, 100)
	maintain(t, w, now.Add(23*time.Hour))
	wantOnce(t, dir, 100)
	maintain(t, w, now.Add(25*time.Hour))
	if got := onDisk(t, dir); len(got) != 0 {
		t.Errorf("kept past their time:\n%s", list(got))
	}
	if hours, _ := filepath.Glob(filepath.Join(dir, "20*")); len(hours) != 0 {
		t.Errorf("empty hour folders stay: %v", hours)
	}
}

func TestAMergeDoesNotMakeRowsYounger(t *testing.T) {
	dir := t.TempDir()
	w := openWith(t, lake.Options{Dir: dir, RetainFor: 24 * time.Hour})
	rs := rows(0, 200, steady)
	write(t, w, rs, 0, 100)
	write(t, w, rs, 100, 200)
	arrived := time.Now().Add(-20 * time.Hour)
	for _, f := range onDisk(t, dir) {
		if err := os.Chtimes(f, arrived, arrived); err != nil {
			t.Fatal(err)
		}
	}
	maintain(t, w, time.Now())
	if got := len(mustSelect(t, dir)); got != 1 {
		t.Fatalf("%d files, want them merged", got)
	}
	maintain(t, w, arrived.Add(24*time.Hour+time.Minute))
	if got := onDisk(t, dir); len(got) != 0 {
		t.Errorf("kept past their time:\n%s", list(got))
	}
}

func TestRetentionByBytesRemovesWhatArrivedFirst(t *testing.T) {
	dir := t.TempDir()
	rs := rows(0, 300, func(p uint64) time.Time { return noon.Add(time.Duration(2-p/100) * time.Hour) }) // the latest hour arrives first
	w := open(t, dir)
	for p := uint64(0); p < 300; p += 100 {
		write(t, w, rs, p, p+100)
		for _, f := range onDisk(t, dir) {
			if strings.Contains(f, "-00000000000000"+[]string{"00-", "64-", "c8-"}[p/100]) {
				at := noon.Add(time.Duration(p) * time.Second)
				if err := os.Chtimes(f, at, at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var total int64
	for _, f := range onDisk(t, dir) {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	w.Close()
	w = openWith(t, lake.Options{Dir: dir, RetainBytes: total - 1})
	maintain(t, w, noon.Add(time.Hour))
	var hours []string
	for _, f := range onDisk(t, dir) {
		hours = append(hours, filepath.Base(filepath.Dir(f)))
	}
	if want := []string{"2026-11-22T12", "2026-11-22T13"}; !slices.Equal(hours, want) {
		t.Errorf("hours %v are left, want %v", hours, want)
	}
}

func TestWhatCrashesLeftIsSweptAfterADay(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	write(t, w, rows(0, 1, steady), 0, 1)
	temps := []string{filepath.Join(dir, "2026-11-22T12", ".tmp-x"), filepath.Join(dir, ".tmp-import-1")}
	for _, p := range temps {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	maintain(t, w, time.Now().Add(23*time.Hour))
	mustExist(t, temps)
	maintain(t, w, time.Now().Add(25*time.Hour))
	for _, p := range temps {
		if _, err := os.Stat(p); err == nil {
			t.Errorf("%s stays", p)
		}
	}
	wantOnce(t, dir, 1)
}

func TestADamagedFileIsNamedAndStopsOnlyItsOwnMerge(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	rs := rows(0, 400, func(p uint64) time.Time { return noon.Add(time.Duration(p/200) * time.Hour) })
	for p := uint64(0); p < 400; p += 100 {
		write(t, w, rs, p, p+100)
	}
	bad := onDisk(t, dir)[0]
	if err := os.Truncate(bad, 100); err != nil {
		t.Fatal(err)
	}
	err := w.Maintain(context.Background(), noon.Add(9*time.Hour))
	if err == nil || !strings.Contains(err.Error(), filepath.Base(bad)) {
		t.Errorf("error %v, want one that names %s", err, filepath.Base(bad))
	}
	if got := mustSelect(t, dir); len(got) != 3 {
		t.Errorf("a reader sees\n%swant the sound hour merged, the other left alone", list(got))
	}
	if temps, _ := filepath.Glob(filepath.Join(dir, "*", ".tmp-*")); len(temps) != 0 {
		t.Errorf("the failed merge leaves %v", temps)
	}
}

func TestACancelledMergeLeavesTheLakeAsItWas(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	rs := rows(0, 200, steady)
	write(t, w, rs, 0, 100)
	write(t, w, rs, 100, 200)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Maintain(ctx, noon); err == nil {
		t.Error("a cancelled merge says nothing")
	}
	if got := len(onDisk(t, dir)); got != 2 {
		t.Errorf("%d files, want the two there were", got)
	}
	maintain(t, w, noon)
	wantOnce(t, dir, 200)
}
