package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"edgewarden/bench/internal/proc"
)

// In package main: a program exports nothing.

func TestAShortSoakKeepsTheIdentity(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs ingest")
	}
	// So short a run says nothing of memory.
	r, err := run(options{length: 4 * time.Second, outage: 500 * time.Millisecond, rate: 2000, conns: 2, maxRSS: 1 << 20, log: io.Discard})
	if err != nil && !strings.HasPrefix(err.Error(), "memory grew") {
		t.Fatalf("%v\n%s", err, r)
	}
	if r.sent != 8000 || r.maxQueued == 0 || len(r.quiet) != 3 || r.samples < 10 {
		t.Errorf("it proved nothing: %s", r)
	}
}

func TestTheVerdictFindsWhatIsWrong(t *testing.T) {
	good := report{sent: 10, entries: 11, last: proc.Identity{Received: 10, Shipped: 10}, maxRSS: 100 << 20, first: 80 << 20, second: 99 << 20}
	if err := good.verdict(100 << 20); err != nil {
		t.Errorf("a good run is refused: %v", err)
	}
	for fault, spoil := range map[string]func(*report){
		"identity does not hold": func(r *report) { r.quiet = []proc.Identity{{Received: 5, Shipped: 3, Queued: 1}} },
		"dropped or refused":     func(r *report) { r.quiet = []proc.Identity{{Received: 5, Shipped: 3, Dropped: 2}} },
		"were sent and":          func(r *report) { r.sent = 11 },
		"stand-in got":           func(r *report) { r.entries = 9 },
		"memory reached":         func(r *report) { r.maxRSS = 101 << 20 },
		"memory grew":            func(r *report) { r.second = 101 << 20 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.verdict(100 << 20); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("found %v, want %q", err, fault)
		}
	}
}
