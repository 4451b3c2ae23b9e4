package detecttest_test

import (
	"maps"
	"testing"
	"time"

	"edgewarden/internal/detect/detecttest"
)

// An engine that answers nothing must not pass: the cases have to have
// offenders of every rule, trust class and group, and health of every kind.
func TestTheCasesHaveSomethingToFind(t *testing.T) {
	cases := detecttest.Cases()
	res := detecttest.Reference(cases[0].Query, cases[0].Records)
	rules, trusts := map[string]int{}, map[bool]int{}
	for _, o := range res.Offenders {
		rules[o.Rule]++
		trusts[o.Trust.Forgeable || o.Trust.Unauthenticated]++
	}
	for _, r := range cases[0].Query.Set.Rules() {
		if rules[r.Name] == 0 || int64(rules[r.Name]) == res.Population[r.Name] && r.Name != "unknown-status" {
			t.Errorf("rule %s has %d offenders of %d keys", r.Name, rules[r.Name], res.Population[r.Name])
		}
	}
	if trusts[true] == 0 || trusts[false] == 0 {
		t.Errorf("offenders by trust: %v", trusts)
	}
	h := res.Health
	for name, n := range map[string]int64{"rows": h.Rows, "trusted": h.Trusted, "trusted without address": h.TrustedNoAddress, "no address": h.NoAddress, "no first hop": h.NoFirstHop, "shield": h.Shield,
		"forgeable": h.Forgeable, "claims another address": h.TrustedClaims, "received": h.ReceivedTime, "ahead": h.Ahead, "ok": h.OKRequests, "ok addresses": h.OKAddresses} {
		if n == 0 {
			t.Errorf("no row counts as %s", name)
		}
	}
	// 3000-1000, restart at 500, 100: dropped 50, 5, 0; auth 200.
	if want := 55.0 / (1800 + 500 + 100); !h.LossKnown || h.Loss != want {
		t.Errorf("loss is %v, %v, want %v", h.Loss, h.LossKnown, want)
	}
	var measured, unknown, private int
	for _, c := range cases {
		if got := detecttest.Reference(c.Query, c.Records); len(got.Offenders) == 0 && len(c.Records) > 0 {
			t.Errorf("%s has no offenders", c.Name)
		} else {
			private += int(got.Health.TrustedNotClient)
			for _, o := range got.Offenders {
				if o.Measures.BaselineKnown {
					measured++
				} else if c.Query.Set.UsesBaseline(o.Rule) {
					unknown++
				}
			}
		}
	}
	if measured == 0 || unknown == 0 || private == 0 {
		t.Errorf("%d offenders are measured against a baseline, %d are of a rule that has none, %d rows have no client's address", measured, unknown, private)
	}
	for _, c := range cases {
		if !c.Repeats {
			continue
		}
		if r := detecttest.ReferenceRepeats(c.Query, detecttest.T.Add(-time.Second), c.Records); r.Repeated < 10 || r.Rows < 2*r.Repeated+5 {
			t.Errorf("%s: %+v proves little", c.Name, r)
		}
	}
	mostly, more := 0, 0
	for _, c := range cases {
		for _, o := range detecttest.Reference(c.Query, c.Records).Offenders {
			whole, rule := detecttest.ReferenceWhole(c.Query, o, c.Records), o.Measures.InAll()
			if whole.Requests > rule.Requests && whole.OK > rule.OK && whole.OKAddresses > rule.OKAddresses && whole.JA4s > rule.JA4s {
				more++
				if 2*whole.OK > whole.Requests {
					mostly++
				}
			}
		}
	}
	if more < 5 || mostly < 2 {
		t.Errorf("%d offenders asked for more than their rule looks at, %d of them mostly with success", more, mostly)
	}
	var older int64
	for _, v := range res.Volumes {
		older += v.Older
	}
	if older == 0 || len(res.Volumes) <= len(cases[0].Query.Set.Rules()) {
		t.Errorf("%d requests lie in the older half of a window, %d volumes", older, len(res.Volumes))
	}
}

func TestTheWeightsOfTheCasesAreNotTheRequests(t *testing.T) {
	seen := 0
	for _, c := range detecttest.Cases() {
		res := detecttest.Reference(c.Query, c.Records)
		switch c.Name {
		case "requests weigh what their class says":
			rules, nothing, differ, after, mixed := map[string]int{}, 0, 0, 0, 0
			for _, o := range res.Offenders {
				rules[o.Rule]++
				m := o.Measures
				var sum int64
				classes := detecttest.ReferenceEvidence(c.Query, o, c.Records).Classes
				for _, k := range classes {
					sum += k.N * k.Weight
				}
				if sum != m.Weight || (len(classes) > 0) != m.Weighed {
					t.Errorf("%s weighs %d, its classes %v", o.Key, m.Weight, classes)
				}
				if len(classes) > 2 {
					mixed++
				}
				if m.Weighed && m.Weight == 0 {
					nothing++
				}
				if m.Weighed && m.Weight != m.Requests {
					differ++
				}
			}
			for _, a := range res.After {
				if a.Weight > 0 && a.Weight != a.Requests {
					after++
				}
			}
			for _, r := range c.Query.Set.Rules() {
				if rules[r.Name] == 0 || int64(rules[r.Name]) == res.Population[r.Name] {
					t.Errorf("rule %s has %d offenders of %d keys", r.Name, rules[r.Name], res.Population[r.Name])
				}
			}
			if nothing == 0 || differ < 10 || after == 0 || mixed < 10 {
				t.Errorf("%d weigh nothing, %d other than their requests, %d answers about present keys too, %d are of several classes", nothing, differ, after, mixed)
			}
		case "the first class that a request is in counts, and none weighs one":
			got := map[string]int64{}
			for _, o := range res.Offenders {
				if o.Rule == "all" {
					got[o.Key] = o.Measures.Weight
				}
			}
			want := map[string]int64{"203.0.113.1": 0, "203.0.113.2": 60, "203.0.113.3": 15, "203.0.113.4": 300, "203.0.113.5": 3}
			if !maps.Equal(got, want) {
				t.Errorf("the addresses weigh %v, want %v", got, want)
			}
		default:
			continue
		}
		seen++
	}
	if seen != 2 {
		t.Error("a case is gone")
	}
}

func TestStrangersSteerNoTrustedNumber(t *testing.T) {
	for _, c := range detecttest.Cases() {
		if c.Name != "strangers neither hide stale trusted data nor break the address column" {
			continue
		}
		h := detecttest.Reference(c.Query, c.Records).Health
		if h.Trusted != 4 || h.TrustedNoAddress != 1 || !h.TrustedNewest.Equal(detecttest.T.Add(-12*time.Minute)) {
			t.Errorf("trusted: %d rows, %d without address, newest %s", h.Trusted, h.TrustedNoAddress, h.TrustedNewest)
		}
		if h.Rows != 26 || h.NoAddress != 8 || !h.Newest.Equal(detecttest.T.Add(-time.Second)) {
			t.Errorf("all: %d rows, %d without address, newest %s", h.Rows, h.NoAddress, h.Newest)
		}
		return
	}
	t.Fatal("the case is gone")
}

func TestPresentKeysOfTheCasesHaveRequestsRefusedAndPassed(t *testing.T) {
	for _, c := range detecttest.Cases() {
		if c.Name != "requests of present keys are counted since their time" {
			continue
		}
		res := detecttest.Reference(c.Query, c.Records)
		var refused, passed, none int
		for _, a := range res.After {
			switch {
			case a.Requests == 0:
				none++
			case a.Refused > 0 && a.Passed > 0:
				refused++
				passed++
			}
			if a.Requests != a.Refused+a.Passed {
				t.Errorf("%+v does not add up", a)
			}
		}
		if refused == 0 || none != 2 || len(res.After) != len(c.Query.Present)-1 {
			t.Errorf("answers are %+v", res.After)
		}
		return
	}
	t.Fatal("the case is gone")
}
