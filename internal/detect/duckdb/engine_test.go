package duckdb_test

import (
	"fmt"
	"strings"
	"testing"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

const spoolID = "00112233445566aa"

// writeLake writes records as three batches of each spool their positions
// name, at positions of the lake's own choosing.
func writeLake(t testing.TB, dir string, recs []record.Record) {
	t.Helper()
	w, err := lake.OpenWriter(lake.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	bySpool := map[string][]record.Record{}
	for _, r := range recs {
		id, _, ok := strings.Cut(r.Position, "-")
		if !ok {
			id = spoolID
		}
		r.Position = fmt.Sprintf("%s-%016x", id, len(bySpool[id]))
		bySpool[id] = append(bySpool[id], r)
	}
	for id, list := range bySpool {
		for i := range 3 {
			lo, hi := len(list)*i/3, len(list)*(i+1)/3
			if lo == hi {
				continue
			}
			if err := w.Write(id, uint64(lo), uint64(hi), list[lo:hi]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *duckdb.Engine {
	t.Helper()
	e, err := duckdb.Open(duckdb.Options{Dir: dir, MemoryLimit: 1 << 30, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestDuckDBAnswersLikeTheReference(t *testing.T) {
	detecttest.Run(t, func(t *testing.T, recs []record.Record) detect.Engine {
		dir := t.TempDir()
		writeLake(t, dir, recs)
		return open(t, dir)
	})
}
