package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"edgewarden/bench/internal/proc"
)

// In package main: a program exports nothing.

func TestAnHonestSenderIsHeardBesideAFewHostileOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs ingest")
	}
	// The share it keeps depends on who else uses this machine now: not asked for here.
	r, err := run(options{conns: 200, length: 1500 * time.Millisecond, rate: 1000, probes: 50, long: 50, least: 0, maxRSS: 512, log: io.Discard})
	if err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if r.sent < 1000 || r.arrived < r.sent || r.held < 200 {
		t.Errorf("it proved nothing: %s", r)
	}
}

func TestTheVerdictFindsWhatIsWrong(t *testing.T) {
	o := options{conns: 100, least: 0.8, maxRSS: 1}
	good := report{alone: 100, beside: 80, held: 100}
	if err := good.verdict(o); err != nil {
		t.Errorf("a good run is refused: %v", err)
	}
	for fault, spoil := range map[string]func(*report){
		"keeps 79 %":         func(r *report) { r.beside = 79 },
		"only 89 of 100":     func(r *report) { r.held = 89 },
		"memory reached":     func(r *report) { r.maxRSS = 2 << 20 },
		"lines into the log": func(r *report) { r.logged = make([]string, quietLog+1) },
		"lines are missing":  func(r *report) { r.identity = proc.Identity{Received: 2, Shipped: 1} },
	} {
		bad := good
		spoil(&bad)
		if err := bad.verdict(o); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("found %v, want %q", err, fault)
		}
	}
}
