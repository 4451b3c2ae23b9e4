package lake_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

const spoolID = "00c0ffee00c0ffee"

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string) *lake.Writer {
	t.Helper()
	return openWith(t, lake.Options{Dir: dir})
}

func openWith(t testing.TB, o lake.Options) *lake.Writer {
	t.Helper()
	w, err := lake.OpenWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// row is the record of a position; its event time is given.
func row(p uint64, at time.Time) record.Record {
	var r record.Record
	r.SetTime(record.Timestamp, at)
	r.SetTime(record.Received, at.Add(time.Second))
	r.SetInt(record.Status, 200)
	r.Kind = record.KindRequest
	r.ClientIP = "203.0.113.9"
	r.Path = fmt.Sprintf("/p/%d", p%7)
	r.Position = fmt.Sprintf("%s-%016x", spoolID, p)
	return r
}

// rows are the records of positions [from, to); at gives their event times.
func rows(from, to uint64, at func(p uint64) time.Time) []record.Record {
	var rs []record.Record
	for p := from; p < to; p++ {
		rs = append(rs, row(p, at(p)))
	}
	return rs
}

// steady is the event time of a steady stream: one row each 10 ms after noon.
func steady(p uint64) time.Time { return noon.Add(time.Duration(p) * 10 * time.Millisecond) }

// alternate puts even positions into the hour of noon and odd ones into the next.
func alternate(p uint64) time.Time { return steady(p).Add(time.Duration(p%2) * time.Hour) }

func write(t testing.TB, w *lake.Writer, rs []record.Record, from, to uint64) {
	t.Helper()
	if err := w.Write(spoolID, from, to, rs[from:to]); err != nil {
		t.Fatalf("write [%d, %d): %v", from, to, err)
	}
}

// selected returns all rows a reader of the whole lake sees, and the files it
// reads.
func selected(t testing.TB, dir string) (all []record.Record, files []string) {
	t.Helper()
	files, err := lake.Select(dir, time.Unix(0, 0), noon.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		rs, err := lake.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rs...)
	}
	return all, files
}

// wantOnce fails unless a reader sees each of the positions [0, n) exactly once.
func wantOnce(t testing.TB, dir string, n uint64) {
	t.Helper()
	all, files := selected(t, dir)
	seen := make(map[string]int)
	for _, r := range all {
		seen[r.Position]++
	}
	for p := range n {
		if got := seen[row(p, noon).Position]; got != 1 {
			t.Errorf("position %d is there %d times, want once; files:\n%s", p, got, list(files))
		}
	}
	if uint64(len(all)) != n {
		t.Errorf("%d rows are there, want %d", len(all), n)
	}
}

func list(paths []string) string {
	var s string
	for _, p := range paths {
		s += "  " + filepath.Join(filepath.Base(filepath.Dir(p)), filepath.Base(p)) + "\n"
	}
	return s
}

// onDisk returns every Parquet file in the lake.
func onDisk(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func mustExist(t testing.TB, paths []string) {
	t.Helper()
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
}
