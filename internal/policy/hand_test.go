package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

func exemption(p string, until time.Duration) policy.Block {
	return policy.Block{Prefix: prefix(p), Kind: policy.KindExempt, Rule: "manual", Since: now.Add(-time.Hour), Until: now.Add(until)}
}

func TestABlockByHand(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name    string
		keys    []string
		present []policy.Block
		want    []string
	}{
		{"lasts as long as it says, whatever the strikes", []string{"203.0.113.9"}, nil, []string{"block block 203.0.113.9 [manual] +3h0m0s n=4"}},
		{"wins over an exemption of exactly that address", []string{"203.0.113.9"}, []policy.Block{exemption("203.0.113.9", day)},
			[]string{"block block 203.0.113.9 [manual] +3h0m0s n=4", "release exempt 203.0.113.9 [manual] +24h0m0s by_hand"}},
		{"does not win over a wider one", []string{"203.0.113.9"}, []policy.Block{exemption("203.0.113.0/24", day)}, []string{"refuse block 203.0.113.9 [manual] exempt"}},
		{"does not win over a narrower one", []string{"203.0.113.0/24"}, []policy.Block{exemption("203.0.113.9", day)}, []string{"refuse block 203.0.113.0/24 [manual] exempt"}},
		{"prolongs a present block", []string{"203.0.113.9"}, []policy.Block{block("203.0.113.9", "flood", -time.Hour, time.Hour, 2)}, []string{"extend block 203.0.113.9 [flood manual] +3h0m0s n=2"}},
		{"shortens one", []string{"203.0.113.9"}, []policy.Block{block("203.0.113.9", "flood", -time.Hour, 9*time.Hour, 2)}, []string{"extend block 203.0.113.9 [flood manual] +3h0m0s n=2"}},
		{"renews one that is due", []string{"203.0.113.9"}, []policy.Block{block("203.0.113.9", "flood", -time.Hour, -time.Second, 2)}, []string{"extend block 203.0.113.9 [flood manual] +3h0m0s n=2"}},
		{"gives one without expiry an end", []string{"203.0.113.9"}, []policy.Block{{Prefix: prefix("203.0.113.9"), Kind: policy.KindBlock, Rule: "manual"}}, []string{"extend block 203.0.113.9 [manual] +3h0m0s n=1"}},
		{"has an entry of its own under a wider block", []string{"203.0.113.9"}, []policy.Block{block("203.0.113.0/24", "flood", -time.Hour, time.Hour, 1)}, []string{"block block 203.0.113.9 [manual] +3h0m0s n=4"}},
		{"loses against the allowlist, and the exemption stays", []string{"198.51.100.7"}, []policy.Block{exemption("198.51.100.7", day)}, []string{"refuse block 198.51.100.7 [manual] allowlisted"}},
		{"loses against the never-block set", []string{"10.0.0.1"}, nil, []string{"refuse block 10.0.0.1 [manual] never_block"}},
		{"leaves everything else alone", []string{"203.0.113.9"}, []policy.Block{block("192.0.2.1", "flood", -2*time.Hour, -time.Hour, 1), exemption("192.0.2.2", -time.Second)},
			[]string{"block block 203.0.113.9 [manual] +3h0m0s n=4"}},
		{"takes several at once", []string{"203.0.113.9", "203.0.113.8", "10.0.0.1"}, []policy.Block{exemption("203.0.113.8", day)},
			[]string{"block block 203.0.113.8 [manual] +3h0m0s n=1", "block block 203.0.113.9 [manual] +3h0m0s n=4",
				"release exempt 203.0.113.8 [manual] +24h0m0s by_hand", "refuse block 10.0.0.1 [manual] never_block"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := base()
			in.Actions = map[string]policy.Action{"manual": {Block: 3 * time.Hour, Enforce: true, CountsOnly: true, Floor: 1}}
			in.History = map[netip.Prefix]policy.Past{prefix("203.0.113.9"): {Strikes: 4, Last: now.Add(-24 * time.Hour)}}
			in.Present = c.present
			in.Settings.RollUp = 3
			for _, k := range c.keys {
				o := detect.Offender{Key: k, Group: detect.ByAddress, Rule: "manual"}
				if strings.Contains(k, "/") {
					o.Group = detect.ByPrefix
				}
				in.Offenders = append(in.Offenders, o)
			}
			ds := policy.DecideByHand(in)
			if diff := cmp.Diff(c.want, briefs(ds, false)); diff != "" {
				t.Error(diff)
			}
			for _, d := range ds {
				if (d.Verb == policy.VerbRelease) != d.ReplacedBy.IsValid() {
					t.Errorf("%s: replaced by %s", brief(d), d.ReplacedBy)
				}
				if strings.Contains(d.Reason, "0 requests") {
					t.Errorf("a person's block has no evidence to tell of: %s", d.Reason)
				}
			}
		})
	}
}

func TestARuleDoesNotExtendWhatAPersonEnded(t *testing.T) {
	in := base()
	in.Present = []policy.Block{block("203.0.113.9", "manual", -time.Hour, 10*time.Minute, 2)}
	in.After = []detect.After{after("203.0.113.9", "flood", 9000)}
	if got := briefs(policy.Decide(in), true); !slices.Equal(got, []string{"keep block 203.0.113.9 [manual] +10m0s n=2"}) {
		t.Error(got)
	}
}
