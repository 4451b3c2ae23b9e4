package ledger_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// event is "block 203.0.113.9/32 -1h n=2 failure" as an event on SVC/edgewarden_1.
func event(t *testing.T, text string) ledger.Event {
	t.Helper()
	f := strings.Fields(text)
	ago, err := time.ParseDuration(f[2])
	if err != nil {
		t.Fatal(err)
	}
	e := ledger.Event{Event: f[0], Target: "SVC/edgewarden_1/" + f[1], Time: now.Add(ago), Outcome: ledger.Success, Detail: map[string]string{}}
	for _, more := range f[3:] {
		if n, ok := strings.CutPrefix(more, "n="); ok {
			e.Detail["strikes"] = n
		} else {
			e.Outcome = more
		}
	}
	return e
}

func TestHistory(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []string
		want   string
	}{
		{"nothing", nil, ""},
		{"a block is a strike", []string{"block 203.0.113.9/32 -1h"}, "203.0.113.9/32=1@-1h"},
		{"the strikes of the mark count", []string{"block 203.0.113.9/32 -1h n=4"}, "203.0.113.9/32=4@-1h"},
		{"blocks without a number are counted", []string{"block 203.0.113.9/32 -3h", "block 203.0.113.9/32 -1h"}, "203.0.113.9/32=2@-1h"},
		{"an extension is no strike but is remembered", []string{"block 203.0.113.9/32 -3h", "extend 203.0.113.9/32 -1h"}, "203.0.113.9/32=1@-1h"},
		{"an extension whose block is out of sight is one", []string{"extend 203.0.113.9/32 -1h"}, "203.0.113.9/32=1@-1h"},
		{"a release changes nothing", []string{"block 203.0.113.9/32 -3h", "release 203.0.113.9/32 -1h"}, "203.0.113.9/32=1@-3h"},
		{"what failed or was refused is nothing", []string{"block 203.0.113.9/32 -3h failure", "block 203.0.113.8/32 -3h refused"}, ""},
		{"what lies in the future is nothing", []string{"block 203.0.113.9/32 1h"}, ""},
		{"strikes are forgotten", []string{"block 203.0.113.9/32 -721h n=3"}, ""},
		{"strikes that were forgotten in between start again", []string{"block 203.0.113.9/32 -1000h", "block 203.0.113.9/32 -1h"}, "203.0.113.9/32=1@-1h"},
		{"prefixes are apart", []string{"block 203.0.113.9/32 -3h", "block 203.0.113.0/24 -2h", "block 2001:db8:1:2::/64 -1h"},
			"2001:db8:1:2::/64=1@-1h 203.0.113.0/24=1@-2h 203.0.113.9/32=1@-3h"},
		{"an address without its length is the host", []string{"block 203.0.113.9 -1h"}, "203.0.113.9/32=1@-1h"},
		{"an unblock by hand wipes what it overlaps", []string{"block 203.0.113.9/32 -3h n=3", "block 203.0.113.0/24 -3h n=2", "block 203.0.114.1/32 -3h", "exempt-create 203.0.113.9/32 -1h"}, "203.0.114.1/32=1@-3h"},
		{"an unblock names itself, too", []string{"block 203.0.113.9/32 -3h n=3", "unblock 203.0.113.9/32 -1h"}, ""},
		{"an unblock that failed wipes nothing", []string{"block 203.0.113.9/32 -3h n=3", "unblock 203.0.113.9/32 -1h failure"}, "203.0.113.9/32=3@-3h"},
		{"shadow entries are no blocks", []string{"shadow-create 203.0.113.9/32 -3h n=3"}, ""},
		{"a target that is no prefix is passed over", []string{"block nonsense -1h"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var es []ledger.Event
			for _, text := range c.events {
				es = append(es, event(t, text))
			}
			if got := brief(ledger.History(es, now, 0)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	shadow := []ledger.Event{event(t, "shadow-create 203.0.113.9/32 -3h n=3"), event(t, "shadow-update 203.0.113.9/32 -2h n=3"), event(t, "block 203.0.113.8/32 -3h")}
	if got := brief(ledger.ShadowHistory(shadow, now, 0)); got != "203.0.113.9/32=3@-2h" {
		t.Errorf("shadow: %q", got)
	}
}

// brief writes a history in the order of its text.
func brief(past map[netip.Prefix]ledger.Past) string {
	var parts []string
	for p, was := range past {
		parts = append(parts, fmt.Sprintf("%s=%d@%s", p, was.Strikes, strings.TrimSuffix(was.Last.Sub(now).String(), "0m0s")))
	}
	for i := range parts { // few enough for a plain sort
		for j := range parts[:i] {
			if parts[i] < parts[j] {
				parts[i], parts[j] = parts[j], parts[i]
			}
		}
	}
	return strings.Join(parts, " ")
}

// TestHistoryFitsIntoPolicy is the seam between two rooms that do not know each other.
func TestHistoryFitsIntoPolicy(t *testing.T) {
	in := policy.Input{History: ledger.History([]ledger.Event{event(t, "block 203.0.113.9/32 -1h n=2")}, now, 0)}
	if in.History[netip.MustParsePrefix("203.0.113.9/32")].Strikes != 2 {
		t.Errorf("got %v", in.History)
	}
}

func TestForService(t *testing.T) {
	es := []ledger.Event{{Target: "SVC/a/1.2.3.4/32"}, {Target: "SVC"}, {Target: "SVC2/a/1.2.3.4/32"}, {Target: ""}}
	if got := ledger.ForService(es, "SVC"); len(got) != 2 || len(es) != 4 {
		t.Errorf("got %v", got)
	}
}

func TestSummariesAreReadBack(t *testing.T) {
	store := &keeper{}
	c := ledger.NewChain(store, "run1", "a", "b")
	want := ledger.Summary{
		Run: "run1", Time: now.Truncate(time.Microsecond), Outcome: ledger.Success, Service: "SVC", Window: 15 * time.Minute, Newest: now.Add(-time.Minute),
		Rows: 1, Trusted: 11, OKRequests: 2, OKAddresses: 3, Offenders: 4, Blocks: 5, Extends: 6, Releases: 7, Refusals: 8, Ours: 9, BytesScanned: 10,
		Extra: map[string]string{"guard": "pass"},
	}
	if err := c.Add(context.Background(), ledger.Event{Event: "block"}, want.Event()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ledger.Summary{want}, ledger.Summaries(store.events)); diff != "" {
		t.Error(diff)
	}
	odd := ledger.Event{Event: ledger.RunEvent, Detail: map[string]string{"rows": "many", "window": "wide", "newest": "yesterday"}}
	if got := ledger.Summaries([]ledger.Event{odd}); len(got) != 1 || got[0].Rows != 0 || got[0].Window != 0 || !got[0].Newest.IsZero() {
		t.Errorf("numbers that cannot be read: %+v", got)
	}
}

func TestBaseline(t *testing.T) {
	var past []ledger.Summary
	for i := range 12 {
		past = append(past, ledger.Summary{Service: "SVC", Window: time.Hour, Outcome: ledger.Success, Rows: 900, Trusted: int64(100 + i)})
	}
	noise := []ledger.Summary{
		{Service: "SVC", Window: time.Hour, Outcome: ledger.Failure, Trusted: 1}, {Service: "SVC", Window: time.Minute, Outcome: ledger.Success, Trusted: 1},
		{Service: "OTHER", Window: time.Hour, Outcome: ledger.Success, Trusted: 1}, {Service: "SVC", Window: time.Hour, Outcome: ledger.Success, Rows: 900},
	}
	if got := ledger.Baseline(append(noise, past...), "SVC", time.Hour); got != 106 {
		t.Errorf("got %d, want the median of the runs that are alike", got)
	}
	if got := ledger.Baseline(past[1:], "SVC", time.Hour); got != 0 {
		t.Errorf("eleven runs gave a baseline of %d", got)
	}
}
