package main

import (
	"path/filepath"
	"strings"
	"testing"

	"edgewarden/internal/ship/shiptest"
)

// The main job on real input: every line is understood and stored, in the lake
// and in Cloud Logging, once.
func TestRealLinesAreAllParsedAndStored(t *testing.T) {
	l := sample(t)
	google := shiptest.Start(t)
	dir := t.TempDir()
	s := serve(t, dir, nil, "--project", "my-project", "--logging-endpoint", google.Addr(), "--logging-insecure", "--lake", filepath.Join(dir, "lake"))
	const conns = 4
	for c := range conns {
		from, to := c*len(l)/conns, (c+1)*len(l)/conns
		nc := dial(t, s.addr)
		send(t, nc, prefixed(l[from:to]))
		nc.Close()
	}
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="lake"}`, int64(len(l)))
	s.until(t, `edgewarden_ingest_shipped_records_total{sink="cloudlogging"}`, int64(len(l)))
	s.identity(t, "lake")
	s.identity(t, "cloudlogging")
	s.stop(t)
	want := map[string]int{}
	for _, line := range l {
		want[line[:strings.IndexByte(line, ' ')]]++
	}
	n, got := countRequests(rows(t, s.lake))
	if n != len(l) {
		t.Errorf("%d of %d lines are requests in the lake", n, len(l))
	}
	for address, n := range want {
		if got[address] != n {
			t.Errorf("%s: %d requests in the lake, %d in the file", address, got[address], n)
		}
	}
	entries := google.Log("fastly")
	if len(entries) != len(l) {
		t.Errorf("%d of %d lines are in Cloud Logging", len(entries), len(l))
	}
	for _, e := range entries {
		if e.GetHttpRequest().GetRequestMethod() == "" {
			t.Fatalf("an entry without httpRequest: %v", e)
		}
	}
}

func TestRealLinesCanBeImported(t *testing.T) {
	l := sample(t)
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "access.log"), strings.Join(l, "\n")+"\n")
	code, stdout, stderr := invoke(t, nil, "import", file, "--lake", filepath.Join(dir, "lake"))
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if n, _ := countRequests(rows(t, filepath.Join(dir, "lake"))); n != len(l) {
		t.Errorf("%d of %d lines are requests; ingest says %s", n, len(l), stdout)
	}
}
