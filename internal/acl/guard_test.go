package acl_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// healthy is a shop with 5,000 successful addresses and nothing wrong with its logs.
func healthy() detect.Health {
	return detect.Health{Rows: 100_000, Newest: t0.Add(-time.Minute), Trusted: 100_000, TrustedNewest: t0.Add(-time.Minute), OKRequests: 90_000, OKAddresses: 5_000, LossKnown: true}
}

// byRule gives a block by the rule "flood" (counts) or "share" (a share).
func byRule(rule, p string) policy.Decision {
	return with(block(p, 50), func(d *policy.Decision) { d.Rule, d.Offender.Rule = rule, rule })
}

var actions = map[string]policy.Action{"flood": {CountsOnly: true}, "share": {}}

func extension(p string) policy.Decision {
	return with(block(p, 50), func(d *policy.Decision) { d.Verb, d.Until = policy.VerbExtend, later.Add(time.Hour) })
}

func TestGuard(t *testing.T) {
	// Each plan has a release, an exemption, a block by count, one by share and an extension by count.
	rows := []row{{acl: b1, prefix: "203.0.113.10", comment: gone}, {acl: b1, prefix: "203.0.113.11", comment: ours}}
	ds := []policy.Decision{byRule("flood", "203.0.113.1"), byRule("share", "203.0.113.2"), extension("203.0.113.11"),
		{Verb: policy.VerbBlock, Kind: policy.KindExempt, Key: "198.51.100.1", Prefix: prefix("198.51.100.1"), Rule: "manual", Until: later}}
	const (
		rel, exe   = "delete edgewarden_1 203.0.113.10/32 id000 expired", "create edgewarden_exempt 198.51.100.1/32"
		cnt, shr   = "create edgewarden_1 203.0.113.1/32", "create edgewarden_1 203.0.113.2/32"
		ext        = "update edgewarden_1 203.0.113.11/32 id001"
		everything = rel + "\n" + exe + "\n" + cnt + "\n" + shr + "\n" + ext
		noBlocks   = rel + "\n" + exe
		noShare    = rel + "\n" + exe + "\n" + cnt + "\n" + ext
	)
	type in struct {
		s *acl.Snapshot
		g *acl.GuardInput
	}
	for name, tc := range map[string]struct {
		change  func(in)
		want    string
		verdict string
		failed  string
	}{
		"healthy data lets everything through":                 {func(in) {}, everything, "pass", ""},
		"a clock two minutes off is fine":                      {func(x in) { x.s.Skew = -2 * time.Minute }, everything, "pass", ""},
		"a clock further behind stops releases too":            {func(x in) { x.s.Skew = -121 * time.Second }, "", "refused", "clock-skew"},
		"a clock further ahead stops releases too":             {func(x in) { x.s.Skew = time.Hour }, "", "refused", "clock-skew"},
		"rows from the future say that a clock is wrong":       {func(x in) { x.g.Health.Ahead = 1_001 }, "", "refused", "ahead"},
		"one per cent of them is fine":                         {func(x in) { x.g.Health.Ahead = 1_000 }, everything, "pass", ""},
		"stale data stops blocks, not releases":                {func(x in) { x.g.Health.TrustedNewest = t0.Add(-601 * time.Second) }, noBlocks, "refused", "stale-data"},
		"ten minutes old is not stale":                         {func(x in) { x.g.Health.TrustedNewest = t0.Add(-10 * time.Minute) }, everything, "pass", ""},
		"age is counted from T, so that settling adds nothing": {func(x in) { x.g.Health.TrustedNewest, x.g.To = t0.Add(-11*time.Minute), t0.Add(-2*time.Minute) }, everything, "pass", ""},
		"no rows stop blocks, not releases":                    {func(x in) { x.g.Health = detect.Health{} }, noBlocks, "refused", "no-data"},
		"fresh junk of strangers does not make stale data fresh": {func(x in) {
			x.g.Health.TrustedNewest, x.g.Health.Newest, x.g.Health.Rows = t0.Add(-601*time.Second), t0, 900_000
		}, noBlocks, "refused", "stale-data"},
		"strangers cannot break the address column":               {func(x in) { x.g.Health.Rows, x.g.Health.NoAddress = 900_000, 800_000 }, everything, "pass", ""},
		"strangers do not stand in for trusted rows":              {func(x in) { x.g.Health.Trusted, x.g.Health.TrustedNewest = 0, time.Time{} }, noBlocks, "refused", "no-data"},
		"strangers cannot make up the usual volume":               {func(x in) { x.g.Health.Rows, x.g.Health.Trusted, x.g.Baseline = 900_000, 99_999, 200_000 }, noShare, "refused", "volume"},
		"a broken address column stops blocks":                    {func(x in) { x.g.Health.TrustedNoAddress = 5_001 }, noBlocks, "refused", "no-address"},
		"clients that claim another address stop nothing":         {func(x in) { x.g.Health.TrustedClaims = 100_000 }, everything, "warn", "claims-other-ip"},
		"a few of them are not worth a warning":                   {func(x in) { x.g.Health.TrustedClaims = 5_000 }, everything, "pass", ""},
		"one of them is, where addresses of headers are trusted":  {func(x in) { x.g.Health.TrustedClaims, x.g.Forgeable = 1, true }, everything, "warn", "claims-other-ip"},
		"unless the limit is off":                                 {func(x in) { x.g.Health.TrustedClaims, x.g.Forgeable, x.g.Limits.ClaimsOtherIP = 9, true, -1 }, everything, "pass", ""},
		"request ids that come twice stop nothing":                {func(x in) { x.g.Health.Repeats = detect.Repeats{Minute: t0, Rows: 900, Repeated: 450} }, everything, "warn", "repeated-ids"},
		"a few of them are not worth a warning either":            {func(x in) { x.g.Health.Repeats = detect.Repeats{Minute: t0, Rows: 900, Repeated: 45} }, everything, "pass", ""},
		"nor is half of a handful":                                {func(x in) { x.g.Health.Repeats = detect.Repeats{Minute: t0, Rows: 18, Repeated: 9} }, everything, "pass", ""},
		"loss stops a share, and only warns for a count":          {func(x in) { x.g.Health.Loss = 0.051 }, noShare, "refused", "loss"},
		"five per cent of loss is fine":                           {func(x in) { x.g.Health.Loss = 0.05 }, everything, "pass", ""},
		"low volume stops a share, and only warns for a count":    {func(x in) { x.g.Baseline = 200_001 }, noShare, "refused", "volume"},
		"half the usual volume is fine":                           {func(x in) { x.g.Baseline = 200_000 }, everything, "pass", ""},
		"a rule nobody described counts as one by share":          {func(x in) { x.g.Health.Loss, x.g.Actions = 0.5, nil }, noBlocks, "refused", "loss"},
		"without log data nothing of the data is asked":           {func(x in) { *x.g = acl.GuardInput{} }, everything, "pass", ""},
		"a lifted limit lets through":                             {func(x in) { x.g.Health.TrustedNewest, x.g.Override = t0.Add(-time.Hour), "stale-data" }, everything, "pass", ""},
		"lifting one does not lift another":                       {func(x in) { x.g.Health.TrustedNewest, x.g.Override = t0.Add(-time.Hour), "loss" }, noBlocks, "refused", "stale-data"},
		"a limit of one's own counts":                             {func(x in) { x.g.Limits.Stale = 30 * time.Second }, noBlocks, "refused", "stale-data"},
		"a limit can be switched off":                             {func(x in) { x.g.Limits.Loss, x.g.Health.Loss = -1, 0.9 }, everything, "pass", ""},
		"more new blocks than allowed: the most harmful, no more": {func(x in) { x.g.Limits.NewBlocks = 1 }, noShare, "warn", "too-many-blocks"},
		"an allowlist that is not known stops new blocks only":    {func(x in) { x.g.AllowPartial = true }, rel + "\n" + exe + "\n" + ext, "refused", "allowlist-unread"},
		"that can be lifted":                                      {func(x in) { x.g.AllowPartial, x.g.Override = true, "allowlist-unread" }, everything, "pass", ""},
		"never-block cannot be lifted": {func(x in) {
			x.g.Never = lists.New(lists.Entry{Prefix: prefix("203.0.113.0/29"), List: "never-block", Reason: "own"})
			x.g.Override = "never-block"
		}, rel + "\n" + exe + "\n" + ext, "warn", "never-block"},
		"the allowlist counts by overlap, for extensions too": {func(x in) { x.g.Allow = lists.New(lists.Entry{Prefix: prefix("203.0.113.8/29"), Reason: "office"}) },
			rel + "\n" + exe + "\n" + cnt + "\n" + shr, "warn", "allowlisted"},
		"an expired allowlist entry does not": {func(x in) {
			x.g.Allow = lists.New(lists.Entry{Prefix: prefix("203.0.113.0/24"), Reason: "office", Until: t0.Add(-time.Minute)})
		}, everything, "pass", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := snap(t, rows...)
			s.Skew = 0
			p := acl.Diff(s, ds, acl.DiffOptions{Now: t0, Run: "now"})
			if lines(p) != everything {
				t.Fatalf("the plan is\n%s", lines(p))
			}
			g := acl.GuardInput{Health: healthy(), HasData: true, Actions: actions}
			tc.change(in{s, &g})
			acl.Guard(p, s, g)
			if d := cmp.Diff(tc.want, lines(p)); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if p.Verdict.Verdict != tc.verdict {
				t.Errorf("verdict %s, want %s", p.Verdict.Verdict, tc.verdict)
			}
			if got := failed(p); got != tc.failed {
				t.Errorf("failed limits %q, want %q", got, tc.failed)
			}
			lost := 5 - len(p.Changes)
			if len(p.Refusals) != lost {
				t.Errorf("%d changes are gone, %d refusals are noted", lost, len(p.Refusals))
			}
			for _, r := range p.Refusals {
				if r.Code != tc.failed || r.Verb != policy.VerbRefuse || r.Reason == "" {
					t.Errorf("refusal %+v", r)
				}
			}
		})
	}
}

func failed(p *acl.Plan) string {
	var out []string
	for _, c := range p.Verdict.Limits {
		if !c.Passed {
			out = append(out, c.Name)
		}
	}
	return strings.Join(out, ",")
}

func TestBadDataWithNothingToRefuseIsAWarning(t *testing.T) {
	s := snap(t)
	s.Skew = 0
	p := acl.Diff(s, nil, acl.DiffOptions{Now: t0})
	acl.Guard(p, s, acl.GuardInput{HasData: true})
	if p.Verdict.Verdict != acl.VerdictWarn || failed(p) != "no-data" {
		t.Errorf("%+v", p.Verdict)
	}
}

func TestALakeOfImportsAloneAlarmsNobody(t *testing.T) {
	imports := detect.Health{Rows: 5_000, Newest: t0.Add(-48 * time.Hour), NoAddress: 700}
	for name, tc := range map[string]struct {
		rows     []row
		baseline int64
		verdict  string
	}{
		"nothing depends on trusted rows":        {nil, 0, "pass"},
		"blocks are in force, and nobody renews": {[]row{{acl: b1, prefix: "203.0.113.1", comment: ours}}, 0, "warn"},
		"trusted rows used to come":              {nil, 5_000, "warn"},
	} {
		t.Run(name, func(t *testing.T) {
			s := snap(t, tc.rows...)
			s.Skew = 0
			p := acl.Diff(s, nil, acl.DiffOptions{Now: t0})
			acl.Guard(p, s, acl.GuardInput{HasData: true, Health: imports, Baseline: tc.baseline})
			if p.Verdict.Verdict != tc.verdict {
				t.Errorf("%+v", p.Verdict)
			}
			for _, c := range p.Verdict.Limits {
				if c.Name == acl.LimitNoData && c.Note != "none of 5000 rows is trusted: none can block" {
					t.Errorf("no-data says %q", c.Note)
				}
			}
		})
	}
}

func TestWidthIsJudgedOnTheFinalPlan(t *testing.T) {
	s := snap(t)
	s.Skew = 0
	ds := []policy.Decision{block("203.0.112.0/23", 9), block("203.0.113.0/24", 9), block("2001:db8::/47", 9), block("2001:db8:1::/48", 9)}
	p := acl.Diff(s, ds, acl.DiffOptions{Now: t0})
	acl.Guard(p, s, acl.GuardInput{Health: healthy(), HasData: true, Actions: actions, Override: "width"})
	if want := "create edgewarden_1 203.0.113.0/24\ncreate edgewarden_1 2001:db8:1::/48"; lines(p) != want {
		t.Errorf("got\n%s", lines(p))
	}
	if codes(p.Refusals) != "203.0.112.0/23 width\n2001:db8::/47 width" {
		t.Errorf("refusals\n%s", codes(p.Refusals))
	}
}

func TestAFloodThatIsMostOfAllRequestsIsStillBlocked(t *testing.T) {
	s := snap(t)
	s.Skew = 0
	flood := block("203.0.113.1", 950_000) // answered with 200, every one
	p := acl.Diff(s, []policy.Decision{flood}, acl.DiffOptions{Now: t0})
	h := healthy()
	h.Rows, h.Trusted, h.OKRequests, h.OKAddresses = 1_000_000, 1_000_000, 1_000_000, 60
	acl.Guard(p, s, acl.GuardInput{Health: h, HasData: true, Actions: actions})
	if lines(p) != "create edgewarden_1 203.0.113.1/32" || p.Verdict.Verdict != acl.VerdictPass {
		t.Errorf("%s, %+v", lines(p), p.Verdict)
	}
}

// A rule that looks at errors alone hits customers all the same.
func TestCollateralIsThatOfAllAnAddressAsksFor(t *testing.T) {
	blind := func(d *policy.Decision) { d.Offender.Measures.OK, d.Offender.Measures.OKAddresses = 0, 0 }
	seen := func(d *policy.Decision) {
		blind(d)
		d.Offender.Measures.Whole = detect.Whole{Requests: 5000, OK: 4000, OKAddresses: 1}
	}
	for name, tc := range map[string]struct {
		change  func(*policy.Decision)
		want    int
		verdict string
	}{
		"no customer among them": {blind, 15, acl.VerdictPass},
		"a page that each asked for once": {func(d *policy.Decision) {
			blind(d)
			d.Offender.Measures.Whole = detect.Whole{Requests: 500, OK: 49, OKAddresses: 1}
		}, 15, acl.VerdictPass},
		"nobody knows":                  {func(d *policy.Decision) { blind(d); d.Offender.Measures.Whole.Unknown = true }, 10, acl.VerdictWarn},
		"customers behind each of them": {seen, 10, acl.VerdictWarn},
	} {
		t.Run(name, func(t *testing.T) {
			var ds []policy.Decision
			for i := range 15 {
				ds = append(ds, with(byRule("failing", fmt.Sprintf("198.51.100.%d", i)), tc.change))
			}
			s := snap(t)
			s.Skew = 0
			p := acl.Diff(s, ds, acl.DiffOptions{Now: t0})
			h := healthy()
			h.OKAddresses = 50
			acl.Guard(p, s, acl.GuardInput{Health: h, HasData: true, Actions: actions})
			if len(p.Changes) != tc.want || p.Verdict.Verdict != tc.verdict {
				t.Errorf("%d changes, %s; want %d, %s", len(p.Changes), p.Verdict.Verdict, tc.want, tc.verdict)
			}
		})
	}
}

func TestCollateralIsCountedInAddressesAndSparesTheRuleThatHitsMost(t *testing.T) {
	var ds []policy.Decision
	for i := range 60 {
		ds = append(ds, byRule("share", fmt.Sprintf("198.51.100.%d", i)))
	}
	for i := range 5 {
		ds = append(ds, byRule("flood", fmt.Sprintf("203.0.113.%d", i)))
	}
	failing := with(byRule("flood", "203.0.113.99"), func(d *policy.Decision) { d.Offender.Measures.OK, d.Offender.Measures.OKAddresses = 0, 0 })
	for name, tc := range map[string]struct {
		okAddresses int64
		override    string
		want        int
		verdict     string
	}{
		"65 of 6,500 is one per cent": {6_500, "", 66, "pass"},
		"65 of 5,000 is more: of the rule that hits 60 the most harmful 45 are written": {5_000, "", 51, "warn"},
		"lifted": {5_000, "collateral", 66, "pass"},
		"in a small shop ten addresses are always allowed": {50, "", 11, "warn"},
	} {
		t.Run(name, func(t *testing.T) {
			s := snap(t)
			s.Skew = 0
			p := acl.Diff(s, append(ds, failing), acl.DiffOptions{Now: t0})
			h := healthy()
			h.OKAddresses = tc.okAddresses
			acl.Guard(p, s, acl.GuardInput{Health: h, HasData: true, Actions: actions, Override: tc.override})
			if len(p.Changes) != tc.want || p.Verdict.Verdict != tc.verdict {
				t.Errorf("%d changes, %s; want %d, %s", len(p.Changes), p.Verdict.Verdict, tc.want, tc.verdict)
			}
			for _, r := range p.Refusals {
				if r.Rule != "share" || r.Code != "collateral" {
					t.Errorf("refused %s of rule %s, code %s", r.Key, r.Rule, r.Code)
				}
			}
		})
	}
}

func TestTooManyBlocksWritesTheMostHarmful(t *testing.T) {
	s := snap(t)
	s.Skew = 0
	var ds []policy.Decision
	for i := range 150 {
		ds = append(ds, with(block(fmt.Sprintf("203.0.113.%d", i), int64(1000+i)), func(d *policy.Decision) { d.Offender.Measures.OKAddresses = 0 }))
	}
	p := acl.Diff(s, ds, acl.DiffOptions{Now: t0})
	acl.Guard(p, s, acl.GuardInput{Health: healthy(), HasData: true, Actions: actions})
	if len(p.Changes) != 100 || len(p.Refusals) != 50 || p.Verdict.Verdict != acl.VerdictWarn {
		t.Fatalf("%d written, %d refused, %s", len(p.Changes), len(p.Refusals), p.Verdict.Verdict)
	}
	for _, c := range p.Changes {
		if c.Decision.Harm < 1050 {
			t.Errorf("%s with %d requests is written", c.Prefix, c.Decision.Harm)
		}
	}
	for _, r := range p.Refusals {
		if r.Harm >= 1050 || r.Code != "too-many-blocks" {
			t.Errorf("%s with %d requests is refused, code %s", r.Key, r.Harm, r.Code)
		}
	}
}

func TestAnAllowlistThatSuddenlyCoversTooMuchReleasesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		ours, released int
		override       string
		deletes        int
		verdict        string
	}{
		"ten are always allowed":          {12, 10, "", 10, "pass"},
		"eleven of twelve are not":        {12, 11, "", 0, "refused"},
		"a fifth of many is":              {100, 20, "", 20, "pass"},
		"more than a fifth is not":        {100, 21, "", 0, "refused"},
		"unless a person lifts the limit": {100, 21, "allow-releases", 21, "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			var rows []row
			var ds []policy.Decision
			for i := range tc.ours {
				ip := fmt.Sprintf("203.0.113.%d", i)
				rows = append(rows, row{acl: b1, prefix: ip, comment: ours})
				if i < tc.released {
					ds = append(ds, release(ip, policy.KindBlock, policy.CodeAllowlisted))
				}
			}
			rows = append(rows, row{acl: b1, prefix: "198.51.100.1", comment: gone})
			s := snap(t, rows...)
			s.Skew = 0
			p := acl.Diff(s, ds, acl.DiffOptions{Now: t0})
			acl.Guard(p, s, acl.GuardInput{Health: healthy(), HasData: true, Override: tc.override})
			if len(p.Changes) != tc.deletes+1 || p.Verdict.Verdict != tc.verdict {
				t.Errorf("%d changes, %s", len(p.Changes), p.Verdict.Verdict)
			}
		})
	}
}

func TestAnEvictionIsTakenBackWithTheBlockItMadeRoomFor(t *testing.T) {
	s := snap(t, row{acl: b1, prefix: "203.0.113.1", comment: ours}, row{acl: b2, prefix: "203.0.113.2", comment: ours})
	s.Skew = 0
	p := acl.Diff(s, []policy.Decision{block("203.0.113.9", 9)}, acl.DiffOptions{Now: t0, Capacity: 1})
	if lines(p) != "delete edgewarden_1 203.0.113.1/32 id000 evicted\ncreate edgewarden_1 203.0.113.9/32" {
		t.Fatalf("the plan is\n%s", lines(p))
	}
	acl.Guard(p, s, acl.GuardInput{HasData: true, Health: detect.Health{}})
	if len(p.Changes) != 0 || len(p.NoRoom) != 0 {
		t.Errorf("changes %s, no room %s", lines(p), codes(p.NoRoom))
	}
	p = acl.Diff(s, []policy.Decision{block("203.0.113.9", 9)}, acl.DiffOptions{Now: t0, Capacity: 1})
	p.KeepReleases()
	if len(p.Changes) != 0 {
		t.Errorf("a run that may not block would still %s", lines(p))
	}
}

func TestNamesOfLimitsAreChecked(t *testing.T) {
	for _, n := range append(acl.LimitNames(), "") {
		if err := acl.CheckOverride(n); err != nil {
			t.Errorf("%q: %v", n, err)
		}
	}
	for _, n := range []string{"never-block", "width", "allowlisted", "too_many_blocks", "all"} {
		if acl.CheckOverride(n) == nil {
			t.Errorf("%q can be lifted", n)
		}
	}
}

func TestNoPlanHoldsWhatMustNotBeBlocked(t *testing.T) {
	never := lists.New(lists.NeverBlock()...)
	allow := lists.New(lists.Entry{Prefix: prefix("203.0.113.64/26"), Reason: "office"})
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		var ds []policy.Decision
		for range 200 {
			bits := 20 + r.IntN(13)
			a := []string{"10.0.0.1", "203.0.113.%d", "192.168.%d.1", "198.51.100.%d", "151.101.%d.9"}[r.IntN(5)]
			if strings.Contains(a, "%") {
				a = fmt.Sprintf(a, r.IntN(256))
			}
			d := block(a, int64(r.IntN(100)))
			pre, err := d.Prefix.Addr().Prefix(bits)
			if err != nil {
				t.Fatal(err)
			}
			d.Prefix, d.Key = pre, pre.String()
			ds = append(ds, d)
		}
		s := snap(t)
		s.Skew = 0
		p := acl.Diff(s, ds, acl.DiffOptions{Now: t0})
		acl.Guard(p, s, acl.GuardInput{Health: healthy(), HasData: true, Actions: actions, Never: never, Allow: allow, Override: acl.LimitNames()[r.IntN(10)]})
		for _, c := range p.Changes {
			if e, hit := never.Overlaps(c.Prefix, t0); hit {
				t.Errorf("seed %d: %s overlaps %s", seed, c.Prefix, e.Prefix)
			}
			if _, hit := allow.Overlaps(c.Prefix, t0); hit || c.Prefix.Bits() < 24 {
				t.Errorf("seed %d: %s is allowlisted or too wide", seed, c.Prefix)
			}
		}
	}
}

func TestReleasesNeverDependOnData(t *testing.T) {
	rows := []row{{acl: b1, prefix: "203.0.113.1", comment: gone}, {acl: sh, prefix: "203.0.113.2", comment: mark(policy.KindShadow, over).String()}, {acl: ex, prefix: "203.0.113.3", comment: mark(policy.KindExempt, over).String()}}
	s := snap(t, rows...)
	s.Skew = 0
	want := lines(acl.Diff(s, nil, acl.DiffOptions{Now: t0}))
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 4))
		h := detect.Health{Rows: r.Int64N(3), Trusted: r.Int64N(100), NoAddress: r.Int64N(3), TrustedNoAddress: r.Int64N(3), OKAddresses: r.Int64N(3), Loss: r.Float64(), LossKnown: true,
			TrustedNewest: t0.Add(-time.Duration(r.IntN(48)) * time.Hour)}
		p := acl.Diff(s, nil, acl.DiffOptions{Now: t0})
		acl.Guard(p, s, acl.GuardInput{Health: h, HasData: true, Baseline: r.Int64N(1000)})
		if lines(p) != want {
			t.Errorf("seed %d: with %+v the releases are\n%s", seed, h, lines(p))
		}
	}
}

// A share must not read as nothing when it is something, nor as another unit than the sentence beside it.
func TestFiguresOfALimit(t *testing.T) {
	for want, c := range map[string]acl.Check{
		"44.4 %, limit 5 %":   {Name: acl.LimitRepeats, Value: 4. / 9, Limit: 0.05},
		"0.034 %, limit 0 %":  {Name: acl.LimitClaims, Value: 0.00034},
		"<0.001 %, limit 0 %": {Name: acl.LimitClaims, Value: 1e-7},
		"100 %, limit 5 %":    {Name: acl.LimitLoss, Value: 1, Limit: 0.05},
		"15m2s, limit 10m":    {Name: acl.LimitStale, Value: 901.8, Limit: 600},
		"24m1s, limit 10m":    {Name: acl.LimitStale, Value: 1441, Limit: 600},
		"2m0.4s, limit 2m":    {Name: acl.LimitClockSkew, Value: 120.4, Limit: 120},
		"30s, limit off":      {Name: acl.LimitClockSkew, Value: 30, Limit: -1},
		"1500, limit 100":     {Name: acl.LimitNewBlocks, Value: 1500, Limit: 100},
	} {
		if value, limit := c.Figures(); value+", limit "+limit != want {
			t.Errorf("%s, limit %s; want %s", value, limit, want)
		}
	}
}

// What only warns is judged the same by whoever asks.
func TestChecksThatOnlyWarn(t *testing.T) {
	many, half := detect.Repeats{Minute: t0, Rows: 900, Repeated: 450}, detect.Repeats{Minute: t0, Rows: 18, Repeated: 9}
	lies := detect.Health{Trusted: 100, TrustedClaims: 1}
	for name, tc := range map[string]struct {
		got    acl.Check
		passed bool
		note   string
	}{
		"ids that come twice":                    {acl.Limits{}.CheckRepeats(many), false, "450 of 900 rows of minute " + t0.UTC().Format("15:04") + " repeat a request id: a shield logs each request again, and it counts twice, or clients send the id"},
		"half of a handful":                      {acl.Limits{}.CheckRepeats(half), true, ""},
		"a limit of one's own":                   {acl.Limits{RepeatedIDs: 0.6}.CheckRepeats(many), true, ""},
		"nobody looked":                          {acl.Limits{}.CheckRepeats(detect.Repeats{}), true, "not looked at"},
		"one who claims another address":         {acl.Limits{}.CheckClaims(lies, false), true, ""},
		"one where it may choose who is blocked": {acl.Limits{}.CheckClaims(lies, true), false, "1 of 100 trusted rows came with a Fastly-Client-IP that is not their address, and trust allows forgeable_address"},
		"which a wider limit does not change":    {acl.Limits{ClaimsOtherIP: 0.5}.CheckClaims(lies, true), false, "1 of 100 trusted rows came with a Fastly-Client-IP that is not their address, and trust allows forgeable_address"},
		"but a limit of all rows does":           {acl.Limits{ClaimsOtherIP: 1}.CheckClaims(lies, true), true, ""},
		"and one that is switched off":           {acl.Limits{ClaimsOtherIP: -1}.CheckClaims(lies, true), true, "switched off"},
	} {
		if tc.got.Passed != tc.passed || tc.got.Note != tc.note {
			t.Errorf("%s: %+v", name, tc.got)
		}
	}
}
