package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// rounds is how many random inputs each property sees.
const rounds = 1000

// keys are few, so that offenders, entries and lists meet often.
var keys = []string{
	"203.0.113.1", "203.0.113.2", "203.0.113.9", "203.0.113.0/24", "203.0.112.0/20", "198.51.100.7", "198.51.100.0/24",
	"10.0.0.1", "151.101.1.1", "2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8::/32", "::/0", "0.0.0.0/0", "::ffff:203.0.113.1",
}

var rules = []string{"flood", "login", "probe", "gone", "by-asn"}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomInput(r *rand.Rand) policy.Input {
	in := base()
	in.Settings = policy.Settings{RollUp: pick(r, []int{0, 1, 3}), Max: pick(r, []time.Duration{0, time.Hour, 24 * time.Hour}), Escalation: pick(r, []float64{0, 0.5, 1, 3, 1e300})}
	flood := in.Actions["flood"]
	flood.AllRows = r.IntN(2) == 0
	in.Actions["flood"], in.AllowPartial = flood, r.IntN(4) == 0
	for range r.IntN(8) {
		o := offender(pick(r, keys), pick(r, rules), int64(r.IntN(1000)))
		o.Group = pick(r, []detect.Group{detect.ByAddress, detect.ByPrefix, detect.ByASN})
		o.Trust = detect.Trust{Forgeable: r.IntN(8) == 0, Unauthenticated: r.IntN(8) == 0}
		o.Measures.JA4s, o.Measures.OK, o.Measures.Addresses = int64(r.IntN(9)), int64(r.IntN(1000)), int64(r.IntN(6))
		o.Measures.LastSeen = now.Add(-time.Duration(r.IntN(900)) * time.Second)
		in.Offenders = append(in.Offenders, o)
	}
	for range r.IntN(8) {
		b := block(pick(r, keys), pick(r, rules), -time.Duration(r.IntN(30*3600))*time.Second, time.Duration(r.IntN(30*3600)-7200)*time.Second, r.IntN(6))
		b.Kind = pick(r, []policy.Kind{policy.KindBlock, policy.KindBlock, policy.KindShadow, policy.KindExempt, policy.KindAllow})
		if r.IntN(10) == 0 {
			b.Until = time.Time{}
		}
		if r.IntN(10) == 0 {
			b.Since = time.Time{}
		}
		in.Present = append(in.Present, b)
	}
	for range r.IntN(6) {
		in.After = append(in.After, after(pick(r, keys), pick(r, rules), int64(r.IntN(300))))
	}
	in.History, in.ShadowHistory = map[netip.Prefix]policy.Past{}, map[netip.Prefix]policy.Past{}
	for range r.IntN(5) {
		past := policy.Past{Strikes: r.IntN(8) - 1, Last: now.Add(-time.Duration(r.IntN(40*24)) * time.Hour)}
		in.History[prefix(pick(r, keys))] = past
		in.ShadowHistory[prefix(pick(r, keys))] = past
	}
	if r.IntN(4) == 0 {
		in.Allow = lists.New(lists.Entry{Prefix: prefix(pick(r, keys)), Reason: "x", Until: pick(r, []time.Time{{}, now, now.Add(time.Hour)})})
	}
	return in
}

// each runs check on random inputs; a failure names the seed that shows it again.
func each(t *testing.T, check func(r *rand.Rand, in policy.Input) error) {
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 1))
		if err := check(r, randomInput(r)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func writes(d policy.Decision) bool { return d.Verb == policy.VerbBlock || d.Verb == policy.VerbExtend }

func TestNoBlockIsLongerThanMax(t *testing.T) {
	each(t, func(_ *rand.Rand, in policy.Input) error {
		limit := in.Settings.WithDefaults().Max
		for _, d := range policy.Decide(in) {
			if writes(d) && (d.Until.Sub(d.Since) > limit || !d.Until.After(in.Now) || d.Until.Sub(in.Now) > limit) {
				return fmt.Errorf("%s lasts from %s to %s, max is %s", brief(d), d.Since, d.Until, limit)
			}
		}
		return nil
	})
}

func TestNobodyProtectedIsBlocked(t *testing.T) {
	each(t, func(_ *rand.Rand, in policy.Input) error {
		for _, d := range policy.Decide(in) {
			if !writes(d) && d.Verb != policy.VerbKeep || d.Kind != policy.KindBlock && d.Kind != policy.KindShadow {
				continue
			}
			for name, set := range map[string]*lists.Set{"allowlist": in.Allow, "never-block": in.Never} {
				if e, ok := set.Overlaps(d.Prefix, in.Now); ok {
					return fmt.Errorf("%s although %s is on the %s", brief(d), e.Prefix, name)
				}
			}
			for _, b := range in.Present {
				exempt := b.Kind == policy.KindExempt && (b.Until.IsZero() || b.Until.After(in.Now)) && (b.Since.IsZero() || b.Since.Add(policy.MaxExempt).After(in.Now))
				if exempt && d.Verb == policy.VerbBlock && b.Prefix.Overlaps(d.Prefix) {
					return fmt.Errorf("%s although %s is exempt", brief(d), b.Prefix)
				}
			}
			if bits := map[bool]int{true: 24, false: 48}[d.Prefix.Addr().Is4()]; writes(d) && d.Prefix.Bits() < bits {
				return fmt.Errorf("%s is wider than /%d", brief(d), bits)
			}
		}
		return nil
	})
}

func TestNobodyMistrustedIsBlocked(t *testing.T) {
	each(t, func(_ *rand.Rand, in policy.Input) error {
		for _, d := range policy.Decide(in) {
			if d.Verb == policy.VerbBlock && (d.Offender == nil || d.Offender.Trust != detect.Trust{}) {
				return fmt.Errorf("%s rests on rows that anyone can make up", brief(d))
			}
		}
		return nil
	})
}

func TestMoreStrikesNeverShorten(t *testing.T) {
	each(t, func(r *rand.Rand, in policy.Input) error {
		in.Present, in.After = nil, nil
		lengths := func(more int) map[string]time.Duration {
			again := in
			again.History = map[netip.Prefix]policy.Past{}
			for p, past := range in.History {
				again.History[p] = policy.Past{Strikes: past.Strikes + more, Last: past.Last}
			}
			out := map[string]time.Duration{}
			for _, d := range policy.Decide(again) {
				if d.Verb == policy.VerbBlock {
					out[string(d.Kind)+d.Key] = d.Until.Sub(d.Since)
				}
			}
			return out
		}
		few, many := lengths(0), lengths(1+r.IntN(3))
		for key, length := range few {
			if many[key] < length {
				return fmt.Errorf("%s: %s with few strikes, %s with more", key, length, many[key])
			}
		}
		return nil
	})
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	each(t, func(r *rand.Rand, in policy.Input) error {
		want := policy.Decide(in)
		in.Offenders, in.Present, in.After = slices.Clone(in.Offenders), slices.Clone(in.Present), slices.Clone(in.After)
		r.Shuffle(len(in.Offenders), func(i, j int) { in.Offenders[i], in.Offenders[j] = in.Offenders[j], in.Offenders[i] })
		r.Shuffle(len(in.Present), func(i, j int) { in.Present[i], in.Present[j] = in.Present[j], in.Present[i] })
		r.Shuffle(len(in.After), func(i, j int) { in.After[i], in.After[j] = in.After[j], in.After[i] })
		if diff := cmp.Diff(briefs(want, false), briefs(policy.Decide(in), false)); diff != "" {
			return fmt.Errorf("shuffled input decides otherwise:\n%s", diff)
		}
		return nil
	})
}

// apply does to the state what the edge and the ledger would.
func apply(in policy.Input, ds []policy.Decision) policy.Input {
	type slot struct {
		kind   policy.Kind
		prefix netip.Prefix
	}
	state := map[slot]policy.Block{}
	history := map[policy.Kind]map[netip.Prefix]policy.Past{policy.KindBlock: {}, policy.KindShadow: {}}
	for p, past := range in.History {
		history[policy.KindBlock][p] = past
	}
	for p, past := range in.ShadowHistory {
		history[policy.KindShadow][p] = past
	}
	for _, d := range ds {
		if d.Verb == policy.VerbRelease || d.Verb == policy.VerbRefuse {
			continue
		}
		state[slot{d.Kind, d.Prefix}] = policy.Block{Prefix: d.Prefix, Kind: d.Kind, Rule: d.Rule, Since: d.Since, Until: d.Until, Strikes: d.Strikes}
	}
	for _, b := range in.Present { // the ledger knows the blocks that were there
		if h := history[b.Kind]; h != nil && b.Since.After(h[b.Prefix].Last) {
			h[b.Prefix] = policy.Past{Strikes: b.Strikes, Last: b.Since}
		}
	}
	in.Present = nil
	for _, b := range state {
		in.Present = append(in.Present, b)
	}
	in.History, in.ShadowHistory = history[policy.KindBlock], history[policy.KindShadow]
	return in
}

func TestDecidingAgainChangesNothing(t *testing.T) {
	each(t, func(_ *rand.Rand, in policy.Input) error {
		first := policy.Decide(in)
		for _, d := range policy.Decide(apply(in, first)) {
			if d.Verb != policy.VerbKeep && d.Verb != policy.VerbRefuse {
				return fmt.Errorf("after\n%v\nagain %s", briefs(first, false), brief(d))
			}
		}
		return nil
	})
}

func TestEveryOffenderAndEntryIsAccountedFor(t *testing.T) {
	each(t, func(_ *rand.Rand, in policy.Input) error {
		ds := policy.Decide(in)
		for _, o := range in.Offenders {
			named := slices.ContainsFunc(ds, func(d policy.Decision) bool {
				return slices.Contains(d.Rules, o.Rule) && (d.Key == o.Key || d.Prefix.IsValid() && d.Prefix.Contains(prefixOrZero(o.Key).Addr()))
			})
			if !named {
				return fmt.Errorf("offender %s of %s is in no decision: %v", o.Key, o.Rule, briefs(ds, false))
			}
		}
		for _, b := range in.Present {
			decided := 0
			for _, d := range ds {
				if d.Kind == b.Kind && d.Prefix == b.Prefix && d.Verb != policy.VerbRefuse {
					decided++
				}
			}
			if decided != 1 {
				return fmt.Errorf("entry %s %s has %d decisions: %v", b.Kind, b.Prefix, decided, briefs(ds, false))
			}
		}
		return nil
	})
}

func prefixOrZero(key string) netip.Prefix {
	p, _ := policy.ParseKey(key)
	return p
}

// TestAnAttackThatGoesOn runs a day and a half of five-minute runs against one
// address that never stops: the block moves on to max, ends, and only then is there a second strike.
func TestAnAttackThatGoesOn(t *testing.T) {
	in := base()
	in.History = map[netip.Prefix]policy.Past{}
	var log []string
	for at := now; at.Before(now.Add(36 * time.Hour)); at = at.Add(5 * time.Minute) {
		in.Now = at
		in.Offenders, in.After = nil, nil
		blocked := slices.ContainsFunc(in.Present, func(b policy.Block) bool { return b.Kind == policy.KindBlock })
		if !blocked { // nothing is refused, so its requests count
			o := offender("203.0.113.9", "flood", 500)
			o.Measures.LastSeen = at.Add(-2 * time.Minute)
			in.Offenders = []detect.Offender{o}
		} else {
			a := after("203.0.113.9", "flood", 500)
			a.LastSeen = at.Add(-2 * time.Minute)
			in.After = []detect.After{a}
		}
		ds := policy.Decide(in)
		for _, d := range ds {
			if d.Verb == policy.VerbBlock || d.Verb == policy.VerbRelease {
				log = append(log, fmt.Sprintf("%s %s n=%d", at.Sub(now), d.Verb, d.Strikes))
			}
		}
		in = apply(in, ds)
	}
	want := []string{"0s block n=1", "24h0m0s release n=1", "24h5m0s block n=2"}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkDecide(b *testing.B) {
	in := base()
	in.History = map[netip.Prefix]policy.Past{}
	for i := range 1000 {
		addr := netip.AddrFrom4([4]byte{203, 0, byte(113 + i/250), byte(i % 250)}).String()
		in.Offenders = append(in.Offenders, offender(addr, "flood", int64(i)))
		in.Present = append(in.Present, block(netip.AddrFrom4([4]byte{198, 18, byte(i / 250), byte(i % 250)}).String(), "flood", -time.Hour, time.Hour, 1))
	}
	b.ReportAllocs()
	for b.Loop() {
		policy.Decide(in)
	}
}
