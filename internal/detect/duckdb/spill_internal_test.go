package duckdb

import (
	"errors"
	"testing"

	driverduckdb "github.com/duckdb/duckdb-go/v2"
)

// A full disk where queries spill to is a lack of room, which a shorter window may do without; a file of the lake that cannot
// be read is not.
func TestAFullSpillIsALackOfRoom(t *testing.T) {
	e := &Engine{o: Options{Dir: "/lake"}, spill: spill{path: "/tmp/edgewarden-spill-7"}}
	full := &driverduckdb.Error{Type: driverduckdb.ErrorTypeIO, Msg: `IO Error: Could not write to file "/tmp/edgewarden-spill-7/duckdb_temp_storage_DEFAULT-0.tmp": No space left on device`}
	if err := e.explain(full); !errors.Is(err, ErrTooMuchMemory) {
		t.Errorf("full: %v", err)
	}
	broken := &driverduckdb.Error{Type: driverduckdb.ErrorTypeIO, Msg: `IO Error: Could not read from file "/lake/a.parquet"`}
	if err := e.explain(broken); errors.Is(err, ErrTooMuchMemory) {
		t.Errorf("broken: %v", err)
	}
	e.spill.path = ""
	if err := e.explain(full); errors.Is(err, ErrTooMuchMemory) {
		t.Errorf("without a folder: %v", err)
	}
}
