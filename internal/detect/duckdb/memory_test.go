package duckdb_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/record"
)

// A flood of one address, with a path of its own in each request, breaks every
// rule. It must not cost memory once a rule, or it ends the run that would
// block it.
func TestOneAddressWithMostOfTheRequestsAndAllOfTheRulesFitsInMemory(t *testing.T) {
	const rows = 120_000
	recs := make([]record.Record, rows)
	for i := range recs {
		at := detecttest.T.Add(-15 * time.Minute * time.Duration(i+1) / (rows + 1)).Truncate(time.Microsecond)
		ip := "198.51.100.7"
		if i%10 == 0 {
			ip = fmt.Sprintf("203.0.113.%d", i/10%250)
		}
		recs[i] = detecttest.Request(at, ip, fmt.Sprintf("/search/%032x/%032x", i*i, i), 200, func(r *record.Record) { r.Position = fmt.Sprintf("%s-%016x", spoolID, i) })
	}
	dir := t.TempDir()
	writeLake(t, dir, recs)
	e, err := duckdb.Open(duckdb.Options{Dir: dir, MemoryLimit: 256 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	var rules []detect.Rule
	for i := range 20 {
		rules = append(rules, detect.Rule{When: fmt.Sprintf("requests >= %d && distinct_paths >= 1000", 10_000+i), Group: []detect.Group{detect.ByAddress, detect.ByPrefix}[i%2]})
	}
	q := detect.Query{Set: detecttest.MustCompile(rules...), ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T}
	res, err := e.Detect(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Offenders) != 30 {
		t.Fatalf("%d offenders", len(res.Offenders))
	}
	for _, o := range res.Offenders {
		if o.Measures.DistinctPaths != o.Measures.Requests {
			t.Errorf("%s under %s: %d paths of %d requests", o.Key, o.Rule, o.Measures.DistinctPaths, o.Measures.Requests)
		}
	}
	if err := e.Evidence(t.Context(), q, res.Offenders); err != nil {
		t.Fatal(err)
	}
	for _, o := range res.Offenders {
		if len(o.Evidence.Paths) != 5 || len(o.Evidence.Sample) != 5 || o.Evidence.Statuses[0].N != o.Measures.Requests {
			t.Errorf("evidence of %s under %s: %+v", o.Key, o.Rule, o.Evidence)
		}
	}
	floods := []detect.Flood{{Rule: "r0"}, {Rule: "r1"}, {Rule: "r2"}}
	if _, err := e.Flood(t.Context(), q, floods); err != nil {
		t.Fatal(err)
	}
	for _, f := range floods {
		if len(f.Clusters) != 5 || f.Addresses != 251 || f.MostOfOne != rows*9/10 {
			t.Errorf("flood of %s: %+v", f.Rule, f)
		}
	}
}

func TestAQueryLargerThanItsMemorySpillsAndCloseRemovesIt(t *testing.T) {
	dir := t.TempDir()
	writeLake(t, dir, detecttest.Traffic(5, 300_000))
	ask := func(o duckdb.Options) (detect.Result, error) {
		o.Dir, o.Threads = dir, 1
		e, err := duckdb.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		res, err := e.Detect(t.Context(), query())
		if cerr := e.Close(); cerr != nil {
			t.Error(cerr)
		}
		return res, err
	}
	want, err := ask(duckdb.Options{MemoryLimit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	const little = 64 << 20
	if _, err := ask(duckdb.Options{MemoryLimit: little}); !errors.Is(err, duckdb.ErrTooMuchMemory) {
		t.Fatalf("without a folder to spill to: %v", err)
	}
	spill := t.TempDir()
	got, err := ask(duckdb.Options{MemoryLimit: little, TempDir: spill})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Offenders, got.Offenders); d != "" || len(got.Offenders) == 0 {
		t.Errorf("spilling changes %d offenders (-in memory +spilled):\n%s", len(got.Offenders), d)
	}
	if left, err := os.ReadDir(spill); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := ask(duckdb.Options{MemoryLimit: little, TempDir: spill + "/gone"}); !errors.Is(err, duckdb.ErrTooMuchMemory) {
		t.Errorf("with a folder that is not there: %v", err)
	}
}

func TestOpenRemovesWhatKilledProcessesSpilled(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "edgewarden-spill-1")
	other := filepath.Join(dir, "of-somebody-else")
	for _, path := range []string{left, other} {
		if err := os.MkdirAll(filepath.Join(path, "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (out []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	first, err := duckdb.Open(duckdb.Options{Dir: dir, TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	second, err := duckdb.Open(duckdb.Options{Dir: dir, TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(); len(got) != 3 || slices.Contains(got, "edgewarden-spill-1") || !slices.Contains(got, "of-somebody-else") {
		t.Errorf("with two engines: %v", got)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	if got := names(); !slices.Equal(got, []string{"of-somebody-else"}) {
		t.Errorf("after both: %v", got)
	}
}
