package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// crowd is n offenders of one prefix, and the prefix itself as a rule that groups by it sees it.
func crowd(n int, addresses, ok int64) policy.Input {
	in := base()
	in.Settings.RollUp = 5
	in.Actions["watch"] = policy.Action{Block: time.Hour, AllRows: true, Floor: 10, Window: 10 * time.Minute}
	for i := range n {
		in.Offenders = append(in.Offenders, offender(fmt.Sprintf("203.0.113.%d", i+1), "flood", int64(500+i)))
	}
	in.Offenders = append(in.Offenders, with(offender("203.0.113.0/24", "watch", 5000), func(o *detect.Offender) {
		o.Group, o.Measures.Addresses, o.Measures.OKAddresses = detect.ByPrefix, addresses, ok
	}))
	return in
}

func last(in *policy.Input) *detect.Offender { return &in.Offenders[len(in.Offenders)-1] }

// rolled says what became of the prefix, and how many hosts are blocked beside it or released.
func rolled(ds []policy.Decision) string {
	prefixes, blocks, releases := "none", 0, 0
	for _, d := range ds {
		switch {
		case d.Kind != policy.KindBlock:
		case d.Verb == policy.VerbBlock && !d.Prefix.IsSingleIP() && d.Prefix.Bits() != 64:
			prefixes = fmt.Sprintf("%s +%s", d.Key, d.Until.Sub(now))
		case d.Verb == policy.VerbBlock, d.Verb == policy.VerbKeep:
			blocks++
		case d.Verb == policy.VerbRelease && d.Code == policy.CodeRolledUp:
			releases++
		}
	}
	return fmt.Sprintf("%s, %d blocks, %d releases", prefixes, blocks, releases)
}

func TestRollUp(t *testing.T) {
	entry := func(p string) *lists.Set { return lists.New(lists.Entry{Prefix: prefix(p), Reason: "x"}) }
	for _, c := range []struct {
		name   string
		in     policy.Input
		change func(*policy.Input)
		want   string
	}{
		{"five offenders and nobody else become one prefix", crowd(5, 5, 0), nil, "203.0.113.0/24 +1h0m0s, 0 blocks, 0 releases"},
		{"it is off by default", crowd(9, 9, 0), func(in *policy.Input) { in.Settings.RollUp = 0 }, "none, 9 blocks, 0 releases"},
		{"four are too few", crowd(4, 4, 0), nil, "none, 4 blocks, 0 releases"},
		{"one is too few, whatever the setting", crowd(1, 1, 0), func(in *policy.Input) { in.Settings.RollUp = 1 }, "none, 1 blocks, 0 releases"},
		{"one customer among them is enough to leave it", crowd(9, 10, 1), nil, "none, 9 blocks, 0 releases"},
		{"an offender's own success is no customer's", crowd(5, 5, 1), func(in *policy.Input) { in.Offenders[0].Measures.OKAddresses = 1 }, "203.0.113.0/24 +1h0m0s, 0 blocks, 0 releases"},
		{"but what it did before the prefix was looked at may hide one", crowd(5, 5, 1), func(in *policy.Input) {
			in.Offenders[0].Measures.OKAddresses = 1
			a := in.Actions["flood"]
			a.Window = 15 * time.Minute
			in.Actions["flood"] = a
		}, "none, 5 blocks, 0 releases"},
		{"as many strangers as offenders may be there, without success", crowd(5, 10, 0), nil, "203.0.113.0/24 +1h0m0s, 0 blocks, 0 releases"},
		{"more may not", crowd(5, 11, 0), nil, "none, 5 blocks, 0 releases"},
		{"without data of the prefix nothing is known", crowd(9, 9, 0), func(in *policy.Input) { in.Offenders = in.Offenders[:9] }, "none, 9 blocks, 0 releases"},
		{"a rule that sees only a part of the requests proves nothing", crowd(9, 9, 0), func(in *policy.Input) {
			in.Actions["watch"] = policy.Action{Block: time.Hour, Floor: 10, Window: 10 * time.Minute}
		}, "none, 9 blocks, 0 releases"},
		{"nor do rows that anybody could make up", crowd(9, 9, 0), func(in *policy.Input) { last(in).Trust.Forgeable = true }, "none, 9 blocks, 0 releases"},
		{"an allowlisted host in it forbids it", crowd(9, 9, 0), func(in *policy.Input) { in.Allow = entry("203.0.113.200") }, "none, 9 blocks, 0 releases"},
		{"so does a verified crawler", crowd(9, 9, 0), func(in *policy.Input) { in.Crawlers = entry("203.0.113.200") }, "none, 9 blocks, 0 releases"},
		{"and our own egress", crowd(9, 9, 0), func(in *policy.Input) { in.Never = entry("203.0.113.200") }, "none, 9 blocks, 0 releases"},
		{"and what was unblocked by hand", crowd(9, 9, 0), func(in *policy.Input) { in.Present = []policy.Block{exemption("203.0.113.200", time.Hour)} }, "none, 9 blocks, 0 releases"},
		{"and a narrower width", crowd(9, 9, 0), func(in *policy.Input) { in.Settings.MaxWidth4 = 25 }, "none, 9 blocks, 0 releases"},
		{"shadow offenders do not count", crowd(9, 9, 0), func(in *policy.Input) {
			for i := range 5 {
				in.Offenders[i].Rule = "probe"
			}
		}, "none, 4 blocks, 0 releases"},
		{"present blocks count and are released", crowd(3, 3, 0), func(in *policy.Input) {
			in.Present = []policy.Block{block("203.0.113.50", "flood", -time.Hour, 30*time.Minute, 1), block("203.0.113.51", "flood", -time.Hour, time.Hour, 1)}
		}, "203.0.113.0/24 +1h0m0s, 0 blocks, 2 releases"},
		{"those that last longer stay and do not count", crowd(4, 4, 0), func(in *policy.Input) {
			in.Present = []policy.Block{block("203.0.113.50", "flood", -time.Hour, 61*time.Minute, 1)}
		}, "none, 5 blocks, 0 releases"},
		{"those made by hand stay", crowd(5, 5, 0), func(in *policy.Input) {
			in.Present = []policy.Block{block("203.0.113.50", "manual", -time.Hour, 30*time.Minute, 1)}
		}, "203.0.113.0/24 +1h0m0s, 1 blocks, 0 releases"},
		{"IPv6 by /64 in a /56", crowd(0, 5, 0), func(in *policy.Input) {
			last(in).Key = "2001:db8:1::/56"
			for i := range 5 {
				in.Offenders = append(in.Offenders, offender(fmt.Sprintf("2001:db8:1:%x::/64", i), "flood", 500))
			}
		}, "2001:db8:1::/56 +1h0m0s, 0 blocks, 0 releases"},
		{"the prefix's own strikes escalate it", crowd(5, 5, 0), func(in *policy.Input) {
			in.History = map[netip.Prefix]policy.Past{prefix("203.0.113.0/24"): {Strikes: 1, Last: now.Add(-24 * time.Hour)}}
		}, "203.0.113.0/24 +2h0m0s, 0 blocks, 0 releases"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil {
				c.change(&c.in)
			}
			ds := policy.Decide(c.in)
			if got := rolled(ds); got != c.want {
				t.Errorf("got %s, want %s\n%s", got, c.want, strings.Join(briefs(ds, true), "\n"))
			}
		})
	}
}

func TestARollUpCarriesThePrefixsCustomersToTheGuard(t *testing.T) {
	in := crowd(5, 6, 2)
	in.Offenders[0].Measures.OKAddresses, in.Offenders[1].Measures.OKAddresses = 1, 1
	in.Present = []policy.Block{block("203.0.113.50", "flood", -time.Hour, 30*time.Minute, 1)}
	ds := policy.Decide(in)
	if d := ds[0]; d.Prefix != prefix("203.0.113.0/24") || d.Offender == nil || d.Offender.Measures.OKAddresses != 2 || d.Rule != "flood" || cmp.Diff(d.Rules, []string{"flood", "watch"}) != "" {
		t.Errorf("%+v", d)
	}
	if d := ds[1]; d.Code != policy.CodeRolledUp || d.ReplacedBy != prefix("203.0.113.0/24") {
		t.Errorf("a release that does not say what replaces it: %+v", d)
	}
}

func TestARollUpIsStable(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		in := crowd(3+r.IntN(6), int64(3+r.IntN(9)), int64(r.IntN(2)))
		for range r.IntN(6) {
			in.Present = append(in.Present, block(fmt.Sprintf("203.0.113.%d", r.IntN(12)), pick(r, rules), -time.Hour, time.Duration(r.IntN(180)-30)*time.Minute, 1))
		}
		first := policy.Decide(in)
		for _, d := range policy.Decide(apply(in, first)) {
			if d.Verb != policy.VerbKeep && d.Verb != policy.VerbRefuse {
				t.Fatalf("seed %d: after\n%s\nagain %s", seed, strings.Join(briefs(first, true), "\n"), brief(d))
			}
		}
	}
}
