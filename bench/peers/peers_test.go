package main

import (
	"path/filepath"
	"testing"
	"time"

	"edgewarden/bench/internal/proc"
)

// In package main: a program exports nothing.

func TestIngestIsMeasuredPlainAndWithTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs ingest")
	}
	dir := t.TempDir()
	ingest, err := proc.BuildIngest("", dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{options: options{lines: 4000, conns: 2, ingest: true, tls: true, ingestPath: ingest}, dir: dir,
		sinkPath: filepath.Join(dir, "sink"), loadPath: filepath.Join(dir, "load")}
	peers, err := b.build()
	if err != nil {
		t.Fatal(err)
	}
	if len(peers) != 2 || peers[0].tls || !peers[1].tls {
		t.Fatalf("peers %+v", peers)
	}
	for _, p := range peers {
		f, err := b.measure(p, filepath.Join(dir, "run"))
		if err != nil {
			t.Fatal(err)
		}
		if f.lines != 4000 || f.cpu() <= 0 || f.wall <= 0 || f.sending <= 0 || f.rss < 1<<20 || f.requests == 0 || f.bytesPerEntry < 500 {
			t.Errorf("%s: measured %+v", p.name, f)
		}
	}
}

func TestTheMedianIsTheMiddleOne(t *testing.T) {
	table := newTable(&bench{})
	var all []figures
	for _, ms := range []int{9, 3, 5} {
		all = append(all, figures{lines: 1000, user: time.Duration(ms) * time.Millisecond, wall: time.Duration(ms) * time.Millisecond})
	}
	table.add(peer{}, all)
	r := table.rows[0]
	if r.median.cpu() != 5 || r.of(figures.rate) != 200_000 {
		t.Errorf("median %v us, %v lines/s", r.median.cpu(), r.of(figures.rate))
	}
}
