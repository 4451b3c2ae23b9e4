package ledger_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/ledger"
)

var now = time.Date(2031, 5, 6, 12, 0, 0, 123456789, time.UTC)

// events makes n events of one run.
func events(t *testing.T, run string, n int) []ledger.Event {
	t.Helper()
	store := &keeper{}
	c := ledger.NewChain(store, run, "ci@example.com", "host-1/blocker")
	for i := range n {
		e := ledger.Event{Time: now.Add(time.Duration(i) * time.Second), Event: "block", Target: "SVC1/edgewarden_1/203.0.113.9/32",
			Detail: map[string]string{"rule": "flood", "strikes": fmt.Sprint(i + 1)}}
		if err := c.Add(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	return store.events
}

// keeper is a store in memory; fail makes it refuse.
type keeper struct {
	events []ledger.Event
	fail   error
}

func (k *keeper) Append(_ context.Context, es []ledger.Event) error {
	if k.fail == nil {
		k.events = append(k.events, es...)
	}
	return k.fail
}
func (k *keeper) Since(context.Context, time.Time) ([]ledger.Event, error) { return k.events, nil }
func (k *keeper) Close() error                                             { return nil }

func TestEveryRecordHasTheFieldsOfPCI1022(t *testing.T) {
	for _, e := range events(t, "run1", 2) {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		for what, key := range map[string]string{"user": "actor", "type": "event", "date and time": "time", "success or failure": "outcome", "origination": "source", "affected resource": "target"} {
			if s, _ := fields[key].(string); s == "" {
				t.Errorf("the record does not say the %s: %s", what, line)
			}
		}
		if !strings.HasSuffix(fields["time"].(string), "Z") {
			t.Errorf("the time is not UTC: %s", line)
		}
	}
}

func TestAChainLinksItsRecords(t *testing.T) {
	es := events(t, "run1", 3)
	for i, e := range es {
		if e.Version != 1 || e.Run != "run1" || e.Seq != i+1 || e.Outcome != ledger.Success {
			t.Errorf("record %d is not stamped: %+v", i, e)
		}
		if want := []string{"", es[0].Hash, es[1].Hash}[i]; e.Prev != want {
			t.Errorf("record %d follows %q, want %q", i, e.Prev, want)
		}
		if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(e.Hash) {
			t.Errorf("hash %q", e.Hash)
		}
	}
	if problems := ledger.Verify(es); len(problems) != 0 {
		t.Error(problems)
	}
}

func TestTheHashIsTheSHA256OfTheLineWithoutIt(t *testing.T) {
	e := events(t, "run1", 1)[0]
	want := `{"version":1,"run":"run1","seq":1,"time":"2031-05-06T12:00:00.123456Z","actor":"ci@example.com","event":"block","outcome":"success",` +
		`"source":"host-1/blocker","target":"SVC1/edgewarden_1/203.0.113.9/32","detail":{"rule":"flood","strikes":"1"},"prev":""}`
	if got := string(e.Canonical()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	sum := sha256.Sum256([]byte(want))
	if got := hex.EncodeToString(sum[:]); e.Hash != got || e.Sum() != got {
		t.Errorf("hash %s, want %s", e.Hash, got)
	}
}

func TestAnEventKeepsItsOwnActorSourceOutcomeAndTime(t *testing.T) {
	store := &keeper{}
	c := ledger.NewChain(store, "run1", "job", "pod")
	before := time.Now().Add(-time.Second)
	if err := c.Add(context.Background(), ledger.Event{Actor: "alice", Source: "laptop", Outcome: ledger.Refused, Time: now}, ledger.Event{}); err != nil {
		t.Fatal(err)
	}
	a, b := store.events[0], store.events[1]
	if a.Actor != "alice" || a.Source != "laptop" || a.Outcome != "refused" || !a.Time.Equal(now.Truncate(time.Microsecond)) {
		t.Errorf("got %+v", a)
	}
	if b.Actor != "job" || b.Source != "pod" || b.Outcome != "success" || b.Time.Before(before) || b.Time.Location() != time.UTC {
		t.Errorf("got %+v", b)
	}
}

func TestAFailedAppendAddsNothing(t *testing.T) {
	store := &keeper{}
	c := ledger.NewChain(store, "run1", "a", "b")
	ctx := context.Background()
	if err := c.Add(ctx, ledger.Event{Event: "block"}); err != nil {
		t.Fatal(err)
	}
	head := c.Head()
	store.fail = errors.New("disk full")
	if err := c.Add(ctx, ledger.Event{Event: "block"}); err == nil || !strings.Contains(err.Error(), "append to ledger: disk full") {
		t.Errorf("got %v", err)
	}
	if c.Head() != head {
		t.Error("the head moved although nothing was written")
	}
	store.fail = nil
	if err := c.Add(ctx, ledger.Event{Event: "block"}); err != nil {
		t.Fatal(err)
	}
	if problems := ledger.Verify(store.events); len(problems) != 0 || len(store.events) != 2 {
		t.Errorf("%d events, %v", len(store.events), problems)
	}
}

// forgetful is a store whose first append may or may not have arrived.
type forgetful struct {
	keeper
	arrives bool
	asked   [][]ledger.Event
}

func (f *forgetful) Append(ctx context.Context, es []ledger.Event) error {
	f.asked = append(f.asked, es)
	first := len(f.asked) == 1
	if again := len(f.events) > 0 && f.events[len(f.events)-1].Hash == es[len(es)-1].Hash; !again && (!first || f.arrives) {
		f.events = append(f.events, es...)
	}
	if first {
		return fmt.Errorf("the line went dead: %w", ledger.ErrUnknown)
	}
	return nil
}

func TestAfterAnUnknownEndTheChainStaysWhole(t *testing.T) {
	for _, arrives := range []bool{false, true} {
		store := &forgetful{arrives: arrives}
		c := ledger.NewChain(store, "run1", "ci@example.com", "host-1/blocker")
		if err := c.Add(t.Context(), ledger.Event{Event: "block"}, ledger.Event{Event: "extend"}); !errors.Is(err, ledger.ErrUnknown) {
			t.Fatal(err)
		}
		if err := c.Add(t.Context(), ledger.Event{Event: "release"}); err != nil {
			t.Fatal(err)
		}
		if len(store.events) != 3 || len(ledger.Verify(store.events)) != 0 || store.events[2].Hash != c.Head() {
			t.Errorf("arrives %v: %d events, problems %v", arrives, len(store.events), ledger.Verify(store.events))
		}
		if len(store.asked) != 3 || !slices.EqualFunc(store.asked[0], store.asked[1], func(a, b ledger.Event) bool { return a.Hash == b.Hash }) {
			t.Errorf("arrives %v: the events came back changed", arrives)
		}
	}
}

func TestWithoutAStoreEventsAreOnlyLinked(t *testing.T) {
	c := ledger.NewChain(nil, "run1", "a", "b")
	if c.Head() != "" || c.Run() != "run1" {
		t.Error("a new chain has a head")
	}
	if err := c.Add(context.Background(), ledger.Event{Event: "block"}); err != nil || c.Head() == "" {
		t.Errorf("%v, head %q", err, c.Head())
	}
	if err := c.Add(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestVerifyFindsEveryFault(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]ledger.Event) []ledger.Event
		want   string
	}{
		{"nothing", func(es []ledger.Event) []ledger.Event { return es }, ""},
		{"a changed target", func(es []ledger.Event) []ledger.Event { es[2].Target = "SVC1/edgewarden_1/203.0.113.10/32"; return es }, "(run run1 seq 3): was changed"},
		{"a changed detail", func(es []ledger.Event) []ledger.Event { es[2].Detail["rule"] = "x"; return es }, "(run run1 seq 3): was changed"},
		{"a changed time", func(es []ledger.Event) []ledger.Event { es[2].Time = es[2].Time.Add(time.Microsecond); return es }, "(run run1 seq 3): was changed"},
		{"a change with a new hash", func(es []ledger.Event) []ledger.Event { es[2].Actor = "eve"; es[2].Hash = es[2].Sum(); return es }, "(run run1 seq 4): does not follow the record before it"},
		{"a removed record", func(es []ledger.Event) []ledger.Event { return slices.Delete(es, 2, 3) }, "(run run1 seq 4): follows seq 2: 1 missing in between"},
		{"a removed beginning", func(es []ledger.Event) []ledger.Event { return es[1:] }, "(run run1 seq 2): records 1 to 1 of its run are missing"},
		{"an inserted copy", func(es []ledger.Event) []ledger.Event { return slices.Insert(es, 3, es[1]) }, "(run run1 seq 2): comes after seq 3: moved or inserted"},
		{"an inserted forgery", func(es []ledger.Event) []ledger.Event {
			forged := es[2]
			forged.Seq, forged.Prev, forged.Actor = 4, es[2].Hash, "eve"
			forged.Hash = forged.Sum()
			return slices.Insert(es, 3, forged)
		}, "(run run1 seq 4): comes after seq 4: moved or inserted"},
		{"two records swapped", func(es []ledger.Event) []ledger.Event { es[1], es[2] = es[2], es[1]; return es }, "(run run1 seq 3): follows seq 1"},
		{"another version", func(es []ledger.Event) []ledger.Event { es[0].Version = 2; return es }, "(run run1 seq 1): version 2 is not known"},
		{"a first record that follows another", func(es []ledger.Event) []ledger.Event {
			es[0].Prev = strings.Repeat("0", 64)
			es[0].Hash = es[0].Sum()
			return es
		}, "(run run1 seq 1): is the first of its run, yet names one before it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			es := c.change(events(t, "run1", 5))
			problems := ledger.Verify(es)
			if c.want == "" && len(problems) > 0 || c.want != "" && !strings.Contains(strings.Join(problems, "\n"), c.want) {
				t.Errorf("got %q, want %q", problems, c.want)
			}
		})
	}
}

func TestRunsThatInterleaveAreEachTheirOwnChain(t *testing.T) {
	a, b := events(t, "run1", 3), events(t, "run2", 3)
	mixed := []ledger.Event{a[0], b[0], b[1], a[1], a[2], b[2]}
	if problems := ledger.Verify(mixed); len(problems) != 0 {
		t.Error(problems)
	}
	if problems := ledger.Verify([]ledger.Event{a[0], b[1], a[1]}); len(problems) != 1 || !strings.Contains(problems[0], "run run2") {
		t.Errorf("got %q", problems)
	}
}

func TestHeadsKeptElsewhereShowACutEnd(t *testing.T) {
	es := append(events(t, "run1", 3), events(t, "run2", 2)...)
	kept := ledger.Heads(es)
	if problems := ledger.VerifyHeads(es, kept); len(problems) != 0 {
		t.Error(problems)
	}
	cut := es[:2]
	if problems := ledger.Verify(cut); len(problems) != 0 {
		t.Error("a cut end is not to be seen in the chain itself, as the documentation says")
	}
	want := []string{"run run1: does not end with the record it ended with", "run run2: all its records are missing"}
	if problems := ledger.VerifyHeads(cut, kept); !slices.Equal(problems, want) {
		t.Errorf("got %q", problems)
	}
}

func TestARunThatTheLogDoesNotKnowIsNamed(t *testing.T) {
	logged := append(events(t, "run2", 2), events(t, "run4", 2)...)
	all := slices.Concat(events(t, "old", 1), events(t, "run2", 2), events(t, "forged", 2), events(t, "run4", 2), events(t, "new", 2))
	if got := ledger.Unlogged(all, ledger.Heads(logged)); !slices.Equal(got, []string{"forged"}) {
		t.Errorf("got %q; a log may begin later and end earlier than the ledger", got)
	}
	if got := ledger.Unlogged(all, ledger.Heads(all)); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestNewRun(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-z]{12}$`)
	seen := map[string]bool{}
	last := ""
	for i := range 1000 {
		id := ledger.NewRun(now.Add(time.Duration(i) * time.Millisecond))
		if !form.MatchString(id) || seen[id] || id < last {
			t.Fatalf("%q after %q", id, last)
		}
		seen[id], last = true, id
	}
	for range 100 {
		id := ledger.NewRun(now)
		if seen[id] {
			continue // one in 1.7 million
		}
		seen[id] = true
	}
	if len(seen) < 1090 {
		t.Errorf("runs of one millisecond share ids: %d of 1100 differ", len(seen))
	}
	for _, odd := range []time.Time{{}, time.Unix(-5, 0), time.Unix(math.MaxInt32*1000, 0)} {
		if id := ledger.NewRun(odd); !form.MatchString(id) {
			t.Errorf("NewRun(%v) = %q", odd, id)
		}
	}
}
