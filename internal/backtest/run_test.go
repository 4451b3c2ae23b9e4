package backtest_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edgewarden/internal/backtest"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/lake"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
	"edgewarden/internal/record"
)

// begin is the first hour of the traffic of these tests.
var begin = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// day makes six hours of traffic: everybody asks now and then, some attack in
// bursts, one without end, and some rows were refused then.
func day(seed uint64) []record.Record {
	rng := rand.New(rand.NewPCG(seed, 3))
	var recs []record.Record
	add := func(at time.Time, ip string, status int64, edit ...func(*record.Record)) {
		recs = append(recs, detecttest.Request(at.Truncate(time.Microsecond), ip, fmt.Sprintf("/p/%d", rng.IntN(9)), status, edit...))
	}
	for i := range 1500 {
		add(begin.Add(time.Duration(rng.Int64N(int64(6*time.Hour)))), fmt.Sprintf("203.0.113.%d", i%40), []int64{200, 200, 304, 404}[rng.IntN(4)],
			func(r *record.Record) { r.Cache = []string{"HIT", "MISS"}[rng.IntN(2)] })
	}
	for burst := range 12 {
		from, ip := begin.Add(time.Duration(rng.Int64N(int64(5*time.Hour)))), fmt.Sprintf("198.51.100.%d", burst%5)
		if burst%5 == 4 {
			ip = "2001:db8:7:7::1"
		}
		for range 10 + rng.IntN(40) {
			add(from.Add(time.Duration(rng.Int64N(int64(25*time.Minute)))), ip, 401, func(r *record.Record) {
				r.Method = "POST"
				r.SetBool(record.Blocked, rng.IntN(12) == 0)
			})
		}
	}
	for at := begin.Add(time.Hour); at.Before(begin.Add(6 * time.Hour)); at = at.Add(40 * time.Second) {
		add(at, "198.51.100.77", 200)
	}
	return recs
}

func rules() *detect.Set {
	return detecttest.MustCompile(
		detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 9"},
		detect.Rule{Name: "login", Where: `method == "POST" && status == 401`, Window: 15 * time.Minute, When: "requests >= 8 && error_share > 0.5"},
		detect.Rule{Name: "burst", Window: 10 * time.Minute, When: "peak_per_minute >= 4"},
	)
}

func actions(set *detect.Set) map[string]policy.Action {
	out := map[string]policy.Action{}
	for i, r := range set.Rules() {
		out[r.Name] = policy.Action{Block: []time.Duration{20 * time.Minute, 35 * time.Minute, 15 * time.Minute}[i%3], CountsOnly: set.CountsOnly(r.Name), Floor: set.Floor(r.Name), Window: r.Window}
	}
	return out
}

func engine(t *testing.T, recs []record.Record) detect.Replayer {
	t.Helper()
	dir := t.TempDir()
	w, err := lake.OpenWriter(lake.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	recs = slices.Clone(recs)
	const spool = "00112233445566aa"
	for i := range recs {
		recs[i].Position = fmt.Sprintf("%s-%016x", spool, i)
	}
	if err := w.Write(spool, 0, uint64(len(recs)), recs); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := duckdb.Open(duckdb.Options{Dir: dir, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func options(t *testing.T, set *detect.Set, recs []record.Record) backtest.Options {
	return backtest.Options{Engine: engine(t, recs), Set: set, Actions: actions(set), ServiceID: detecttest.Service, From: begin, To: begin.Add(6 * time.Hour), Step: 5 * time.Minute}
}

// lived is one block as a test compares it.
type lived struct {
	Key, Rule   string
	From, Until time.Time
	Strike      int
	Refused     int64
}

// live runs the blocker step by step over rows that it marks as refused as soon
// as a block of its own would have refused them: what a backtest has to foretell.
func live(t *testing.T, o backtest.Options, recs []record.Record) []lived {
	t.Helper()
	recs = slices.Clone(recs)
	acts := map[string]policy.Action{}
	for name, a := range o.Actions {
		a.Enforce = true
		acts[name] = a
	}
	present, began := map[netip.Prefix]policy.Block{}, map[netip.Prefix]time.Time{}
	history := map[netip.Prefix]policy.Past{}
	refusedBy := map[string]int64{}
	var out []lived
	end := func(p netip.Prefix, at time.Time) {
		b := present[p]
		out = append(out, lived{policy.Key(p), b.Rule, began[p], at, b.Strikes, refusedBy[p.String()]})
		delete(present, p)
		delete(refusedBy, p.String())
	}
	before := begin.Add(-24 * time.Hour)
	for now := begin.Add(o.Step); !now.After(o.To); now = now.Add(o.Step) {
		for i := range recs { // what came since the run before was refused by what that left
			r := &recs[i]
			p, err := policy.ParseKey(r.ClientKey)
			if err != nil || r.Timestamp.Before(before) || !r.Timestamp.Before(now) {
				continue
			}
			if _, blocked := present[p]; blocked && !(r.Has(record.Blocked) && r.Blocked) {
				r.SetBool(record.Blocked, true)
				refusedBy[p.String()]++
			}
		}
		before = now
		blocks := []policy.Block{}
		for _, b := range present {
			blocks = append(blocks, b)
		}
		found := detecttest.Reference(detect.Query{Set: o.Set, ServiceID: o.ServiceID, To: now, Now: now.Add(24 * time.Hour), Present: policy.Questions(blocks, acts, o.Settings, now)}, recs)
		for _, d := range policy.Decide(policy.Input{Now: now, Offenders: found.Offenders, After: found.After, Actions: acts, Present: blocks, Allow: o.Allow, History: history, Settings: o.Settings}) {
			switch d.Verb {
			case policy.VerbBlock:
				if _, there := present[d.Prefix]; there {
					end(d.Prefix, now)
				}
				present[d.Prefix] = policy.Block{Prefix: d.Prefix, Kind: d.Kind, Rule: d.Rule, Since: d.Since, Until: d.Until, Strikes: d.Strikes}
				began[d.Prefix], history[d.Prefix] = now, policy.Past{Strikes: d.Strikes, Last: now}
			case policy.VerbExtend:
				b := present[d.Prefix]
				b.Until = d.Until
				present[d.Prefix], history[d.Prefix] = b, policy.Past{Strikes: d.Strikes, Last: now}
			case policy.VerbRelease:
				end(d.Prefix, now)
			}
		}
	}
	for p := range present {
		end(p, time.Time{})
	}
	return out
}

func TestABacktestForetellsWhatABlockerWouldHaveDone(t *testing.T) {
	for seed := range uint64(3) {
		recs := day(seed)
		for _, chunk := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("seed %d in chunks of %s", seed, chunk), func(t *testing.T) {
				o := options(t, rules(), recs)
				o.Chunk = chunk
				o.Allow = lists.New(lists.Entry{Prefix: netip.MustParsePrefix("198.51.100.2/32"), Reason: "a partner"})
				rep, err := backtest.Run(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				got := []lived{}
				for _, b := range rep.Blocks {
					l := lived{b.Key, b.Rule, b.From, time.Time{}, b.Strike, b.Traffic.Passed()}
					if b.Until != nil {
						l.Until = *b.Until
					}
					got = append(got, l)
				}
				want := live(t, o, recs)
				byTime := cmpopts.SortSlices(func(a, b lived) bool {
					return a.From.Before(b.From) || a.From.Equal(b.From) && a.Key < b.Key
				})
				if d := cmp.Diff(want, got, byTime); d != "" {
					t.Errorf("blocks differ (-what a blocker did +backtest):\n%s", d)
				}
				escalated, lasting := false, false
				for _, l := range got {
					escalated = escalated || l.Strike > 1
					lasting = lasting || l.Until.Sub(l.From) > time.Hour
				}
				if len(got) < 5 || !escalated || !lasting {
					t.Errorf("%d blocks, escalated %v, moved on %v: the case proves little", len(got), escalated, lasting)
				}
			})
		}
	}
}

func TestAReportAddsUp(t *testing.T) {
	recs := day(1)
	o := options(t, rules(), recs)
	o.Allow = lists.New(lists.Entry{Prefix: netip.MustParsePrefix("198.51.100.2/32"), Reason: "a partner"})
	o.Real = []backtest.Real{
		{Prefix: netip.MustParsePrefix("198.51.100.77/32"), Rule: "flood", Since: begin.Add(2 * time.Hour), Until: begin.Add(3 * time.Hour)},
		{Prefix: netip.MustParsePrefix("192.0.2.9/32"), Since: begin.Add(2 * time.Hour), Until: begin.Add(3 * time.Hour)},
		{Prefix: netip.MustParsePrefix("192.0.2.10/32"), Rule: "gone", Since: begin.Add(-time.Hour)},
	}
	steps := 0
	o.Chunk, o.Progress = time.Hour, func(done, all int) { steps = done }
	rep, err := backtest.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if steps != 72 || rep.Steps != 72 {
		t.Errorf("progress ended at %d, the report has %d steps", steps, rep.Steps)
	}
	var passed int64
	for _, r := range recs {
		if !(r.Has(record.Blocked) && r.Blocked) {
			passed++
		}
	}
	if rep.Requests != passed {
		t.Errorf("%d requests, want %d", rep.Requests, passed)
	}
	var byRule, byBlock detect.Traffic
	for _, r := range rep.Rules {
		byRule.Add(r.Traffic)
	}
	for _, b := range rep.Blocks {
		byBlock.Add(b.Traffic)
	}
	if byRule != byBlock || byRule != rep.Refused.ByClass || rep.Refused.Requests == 0 || rep.Refused.ByClass.Refused == 0 {
		t.Errorf("by rule %+v, by block %+v, in all %+v", byRule, byBlock, rep.Refused)
	}
	if len(rep.Saved) == 0 || rep.Saved[0].Key != "198.51.100.2" || rep.Saved[0].Code != policy.CodeAllowlisted || !strings.Contains(rep.Saved[0].Reason, "a partner") {
		t.Errorf("saved %+v", rep.Saved)
	}
	if c := rep.Real; c.Blocks != 1 || c.Caught != 1 || c.ByHand != 1 || c.Found != 0 || len(c.Missed) != 1 || c.Missed[0].Key != "192.0.2.9" || c.New == 0 {
		t.Errorf("comparison %+v", c)
	}
}

func TestAPrefixBlockCountsItsClients(t *testing.T) {
	recs := day(2)
	set := detecttest.MustCompile(
		detect.Rule{Name: "prefix", Group: detect.ByPrefix, Window: 10 * time.Minute, When: "requests >= 25 && addresses >= 3"},
		detect.Rule{Name: "flood", Window: 10 * time.Minute, When: "requests >= 12"})
	o := options(t, set, recs)
	rep, err := backtest.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rep.Blocks, func(b backtest.Block) bool { return b.Key == "203.0.113.0/24" })
	if i < 0 {
		t.Fatalf("no block of the prefix: %+v", rep.Blocks)
	}
	clients := map[string]bool{} // with a request that some block would have refused
	var refused int64
	for _, r := range recs {
		for _, b := range rep.Blocks {
			until := o.To
			if b.Until != nil {
				until = *b.Until
			}
			addr := netip.MustParseAddr(r.ClientIP)
			if b.Prefix.Contains(addr) && !r.Timestamp.Before(b.From) && r.Timestamp.Before(until) && !(r.Has(record.Blocked) && r.Blocked) {
				clients[r.ClientKey] = true
				refused++
				break
			}
		}
	}
	if rep.Refused.Addresses != len(clients) || rep.Refused.Requests != refused {
		t.Errorf("%d addresses and %d requests refused, want %d and %d", rep.Refused.Addresses, rep.Refused.Requests, len(clients), refused)
	}
}

func TestWhatCannotBeReplayedIsRefused(t *testing.T) {
	sound := options(t, rules(), day(0))
	for name, edit := range map[string]func(*backtest.Options){
		"not whole seconds": func(o *backtest.Options) { o.Step = 1500 * time.Millisecond },
		"want 1 to":         func(o *backtest.Options) { o.Step = time.Second },
		"0 steps":           func(o *backtest.Options) { o.From = o.To },
		"no engine":         func(o *backtest.Options) { o.Engine = nil },
	} {
		o := sound
		edit(&o)
		if _, err := backtest.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
