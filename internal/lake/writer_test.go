package lake_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

// full is a record in which every field is set to a value of its own.
func full(p uint64, at time.Time) record.Record {
	r := row(p, at)
	for f := record.Field(0); f < record.NumFields; f++ {
		switch record.Fields[f].Type {
		case record.String:
			if f != record.Position {
				*r.Str(f) = record.Fields[f].Name + " ü"
			}
		case record.Int:
			r.SetInt(f, int64(f)*1000)
		case record.Bool:
			r.SetBool(f, f%2 == 0)
		case record.Time:
			r.SetTime(f, at.Add(time.Duration(f)*time.Microsecond))
		}
	}
	return r
}

func TestEveryFieldComesBackAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	var zeros record.Record // numbers and booleans that are present and zero
	zeros.SetTime(record.Timestamp, noon.Add(time.Minute))
	zeros.SetTime(record.Received, noon.Add(time.Minute))
	zeros.Position = row(2, noon).Position
	for f := record.Field(0); f < record.NumFields; f++ {
		switch record.Fields[f].Type {
		case record.Int:
			zeros.SetInt(f, 0)
		case record.Bool:
			zeros.SetBool(f, false)
		}
	}
	extremes := row(3, noon.Add(2*time.Minute))
	extremes.SetInt(record.ResponseBytes, math.MaxInt64)
	extremes.SetInt(record.RequestBytes, math.MinInt64)
	extremes.UserAgent = strings.Repeat("a", 64<<10) + "\x00\xff"
	want := []record.Record{full(0, noon), row(1, noon.Add(time.Second)), zeros, extremes}
	w := open(t, dir)
	if err := w.Write(spoolID, 0, 4, want); err != nil {
		t.Fatal(err)
	}
	got, _ := selected(t, dir)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows differ (-written +read):\n%s", diff)
	}
}

func TestRowsAreFiledByHourOfEventTimeAndInOrderOfTime(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	at := []time.Time{
		noon.Add(59*time.Minute + 59*time.Second + 999999*time.Microsecond),
		noon.Add(time.Hour),
		noon.Add(30 * time.Minute),
		noon.Add(-time.Microsecond),
		time.Date(2015, 5, 17, 14, 30, 0, 0, time.FixedZone("", 3600)), // 13:30 UTC
	}
	rs := rows(0, 5, func(p uint64) time.Time { return at[p] })
	write(t, w, rs, 0, 5)
	got := make(map[string][]uint64)
	for _, f := range onDisk(t, dir) {
		all, err := lake.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		hour := filepath.Base(filepath.Dir(f))
		for _, r := range all {
			for p := range rs {
				if rs[p].Position == r.Position {
					got[hour] = append(got[hour], uint64(p))
				}
			}
		}
	}
	want := map[string][]uint64{
		"2026-11-22T11": {3},
		"2026-11-22T12": {2, 0},
		"2026-11-22T13": {1},
		"2015-05-17T13": {4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("positions by hour (-want +got):\n%s", diff)
	}
}

func TestATimeWithNoPlaceInAFolderNameIsFiledByArrival(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	for p, at := range []time.Time{time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)} {
		r := row(uint64(p), at)
		r.SetTime(record.Received, noon)
		if err := w.Write(spoolID, uint64(p), uint64(p)+1, []record.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	absent := record.Record{Position: row(2, noon).Position, Kind: record.KindText, Text: "?"}
	absent.SetTime(record.Received, noon)
	if err := w.Write(spoolID, 2, 3, []record.Record{absent}); err != nil {
		t.Fatal(err)
	}
	for _, f := range onDisk(t, dir) {
		if hour := filepath.Base(filepath.Dir(f)); hour != "2026-11-22T12" {
			t.Errorf("%s: want the hour of arrival", list([]string{f}))
		}
	}
	wantOnce(t, dir, 3)
}

func TestRedeliveryWithOtherBoundariesNeitherDoublesNorLosesARow(t *testing.T) {
	batches := [][2]uint64{{10, 20}, {5, 25}, {0, 7}, {0, 40}, {39, 41}, {12, 13}, {60, 70}, {41, 100}, {0, 100}}
	rs := rows(0, 100, alternate)
	for _, reopen := range []bool{false, true} {
		dir := t.TempDir()
		w := open(t, dir)
		for _, b := range batches {
			write(t, w, rs, b[0], b[1])
			if reopen {
				w.Close()
				w = open(t, dir)
			}
		}
		wantOnce(t, dir, 100)
	}
}

// The crash between the hour files of one batch: one hour is there, the other
// is not, and the batch comes again cut in another way.
func TestACrashBetweenTheHoursOfABatchLosesAndDoublesNothing(t *testing.T) {
	rs := rows(0, 40, alternate)
	for _, lostHour := range []string{"2026-11-22T12", "2026-11-22T13"} {
		for _, again := range [][][2]uint64{{{10, 20}}, {{5, 25}}, {{10, 15}, {15, 20}}, {{0, 12}, {12, 40}}} {
			dir := t.TempDir()
			w := open(t, dir)
			write(t, w, rs, 10, 20)
			w.Close()
			if err := os.RemoveAll(filepath.Join(dir, lostHour)); err != nil {
				t.Fatal(err)
			}
			w = open(t, dir)
			for _, b := range again {
				write(t, w, rs, b[0], b[1])
			}
			write(t, w, rs, 0, 40)
			wantOnce(t, dir, 40)
		}
	}
}

// An hour that cannot be written fails the batch; the hours before it stay, and
// the batch written again adds only what is missing.
func TestAnErrorInOneHourLeavesABatchThatCanBeWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	blocked := filepath.Join(dir, "2026-11-22T13")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rs := rows(0, 10, alternate)
	if err := w.Write(spoolID, 0, 10, rs); err == nil {
		t.Fatal("write into a folder that is a file succeeds")
	}
	if got := len(onDisk(t, dir)); got != 1 {
		t.Fatalf("%d files after the failed write, want the first hour's", got)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	write(t, w, rs, 0, 10)
	wantOnce(t, dir, 10)
}

func TestWriteRefusesWhatItCannotName(t *testing.T) {
	w := open(t, t.TempDir())
	rs := rows(0, 3, steady)
	for _, c := range []struct {
		name     string
		id       string
		from, to uint64
		want     string
	}{
		{"a spool id of another shape", "XYZ", 0, 3, "spool id"},
		{"an empty range", spoolID, 3, 3, "empty"},
		{"a record outside of the range", spoolID, 0, 2, "record 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := w.Write(c.id, c.from, c.to, rs)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(spoolID, 0, 3, rs); err == nil {
		t.Error("a closed lake takes rows")
	}
}

func TestOpenSaysEverythingThatIsWrongWithItsOptions(t *testing.T) {
	_, err := lake.OpenWriter(lake.Options{Grace: -1})
	if err == nil || !strings.Contains(err.Error(), "directory") || !strings.Contains(err.Error(), "negative") {
		t.Errorf("error %v, want both problems", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lake.OpenWriter(lake.Options{Dir: file}); err == nil {
		t.Error("a file opens as a lake")
	}
}

func TestSelectNamesOnlyTheHoursAsked(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	write(t, w, rows(0, 5, func(p uint64) time.Time { return noon.Add(time.Duration(p) * time.Hour) }), 0, 5)
	for _, f := range []string{"notes.txt", "foreign.parquet", ".tmp-x.parquet", spoolID + "-0000000000000001-0000000000000001.parquet"} {
		if err := os.WriteFile(filepath.Join(dir, "2026-11-22T13", f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "2026-11-22T99"), 0o700); err != nil {
		t.Fatal(err)
	}
	hour := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	for _, c := range []struct {
		name     string
		from, to time.Time
		want     []string
	}{
		{"one hour exactly", hour(1), hour(2), []string{"13"}},
		{"a microsecond of an hour", hour(2).Add(-time.Microsecond), hour(2), []string{"13"}},
		{"across an edge", hour(2).Add(-time.Second), hour(2).Add(time.Second), []string{"13", "14"}},
		{"in another zone", hour(1).In(time.FixedZone("", -7*3600)), hour(2), []string{"13"}},
		{"nothing in it", hour(1), hour(1), nil},
		{"before the lake begins", hour(-50), hour(-40), nil},
		{"all there is", time.Time{}, hour(1 << 15), []string{"12", "13", "14", "15", "16"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := lake.Select(dir, c.from, c.to)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				if !filepath.IsAbs(f) {
					t.Errorf("%s is not absolute", f)
				}
				got = append(got, strings.TrimPrefix(filepath.Base(filepath.Dir(f)), "2026-11-22T"))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("hours %v, want %v", got, c.want)
			}
		})
	}
	if _, err := lake.Select(filepath.Join(dir, "nowhere"), noon, noon); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error of a lake that does not exist: %v, want one that is fs.ErrNotExist", err)
	}
}
