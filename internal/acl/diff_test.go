package acl_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
	"edgewarden/internal/policy"
)

var (
	b1, b2, ex, sh = acltest.Block1, acltest.Block2, acltest.Exempt, acltest.Shadow
	later          = t0.Add(time.Hour)
	over           = t0.Add(-time.Minute)
	ours           = mark(policy.KindBlock, later).String()
	gone           = mark(policy.KindBlock, over).String()
	longer         = mark(policy.KindBlock, later.Add(time.Hour)).String()
	broken         = "ew1 o=edgewarden k=b u=??"
)

func TestDiff(t *testing.T) {
	extend := with(block("203.0.113.1", 9), func(d *policy.Decision) {
		d.Verb, d.Until, d.Since = policy.VerbExtend, later.Add(time.Hour), t0.Add(-time.Hour)
	})
	keep := with(block("203.0.113.1", 0), func(d *policy.Decision) { d.Verb, d.Offender = policy.VerbKeep, nil })
	allow := policy.Decision{Verb: policy.VerbAllow, Kind: policy.KindAllow, Key: "198.51.100.0/24", Prefix: prefix("198.51.100.0/24"), Since: t0, Reason: "office"}
	exempt := policy.Decision{Verb: policy.VerbBlock, Kind: policy.KindExempt, Key: "203.0.113.1", Prefix: prefix("203.0.113.1"), Rule: "manual", Since: t0, Until: t0.Add(24 * time.Hour), Reason: "customer called"}
	shadow := with(block("203.0.113.1", 9), func(d *policy.Decision) { d.Kind = policy.KindShadow })
	for name, tc := range map[string]struct {
		rows     []row
		ds       []policy.Decision
		o        acl.DiffOptions
		want     string
		refused  string
		problems int
	}{
		"a new block goes into the first ACL": {
			ds: []policy.Decision{block("203.0.113.1", 9)}, want: "create edgewarden_1 203.0.113.1/32"},
		"an extension updates the comment": {
			rows: []row{{acl: b2, prefix: "203.0.113.1", comment: ours}}, ds: []policy.Decision{extend}, want: "update edgewarden_2 203.0.113.1/32 id000"},
		"an extension of an entry that is gone is refused": {
			ds: []policy.Decision{extend}, refused: "203.0.113.1 no_entry"},
		"what is kept is not touched": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}}, ds: []policy.Decision{keep}},
		"a release deletes": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}}, ds: []policy.Decision{release("203.0.113.1", policy.KindBlock, "unblocked")},
			want: "delete edgewarden_1 203.0.113.1/32 id000 unblocked"},
		"a release deletes every entry of ours for the prefix, in every ACL": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}, {acl: b2, prefix: "203.0.113.1", comment: longer}, {acl: b2, prefix: "203.0.113.1", comment: broken, created: t0}},
			ds:   []policy.Decision{release("203.0.113.1", policy.KindBlock, "unblocked")},
			want: "delete edgewarden_1 203.0.113.1/32 id000 unblocked\ndelete edgewarden_2 203.0.113.1/32 id001 unblocked\ndelete edgewarden_2 203.0.113.1/32 id002 unblocked"},
		"a release wins over a block of the same prefix": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}},
			ds:   []policy.Decision{block("203.0.113.1", 9), release("203.0.113.1", policy.KindBlock, policy.CodeAllowlisted)},
			want: "delete edgewarden_1 203.0.113.1/32 id000 allowlisted"},
		"but not when it is only for having expired": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: gone}},
			ds:   []policy.Decision{release("203.0.113.1", policy.KindBlock, policy.CodeExpired), block("203.0.113.1", 9)},
			want: "update edgewarden_1 203.0.113.1/32 id000"},
		"a prefix keeps its length": {
			ds: []policy.Decision{block("203.0.113.0/24", 9)}, want: "create edgewarden_1 203.0.113.0/24"},
		"host bits of an entry are no difference": {
			rows: []row{{acl: b1, prefix: "203.0.113.77/24", comment: ours}}, ds: []policy.Decision{release("203.0.113.0/24", policy.KindBlock, "unblocked")},
			want: "delete edgewarden_1 203.0.113.0/24 id000 unblocked"},
		"an IPv4-mapped key is the IPv4 host": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}}, ds: []policy.Decision{release("::ffff:203.0.113.1", policy.KindBlock, "unblocked")},
			want: "delete edgewarden_1 203.0.113.1/32 id000 unblocked"},
		"of duplicates the longest-lived stays": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}, {acl: b2, prefix: "203.0.113.1", comment: longer}},
			want: "delete edgewarden_1 203.0.113.1/32 id000 duplicate", problems: 1},
		"of equal duplicates the older stays": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours, created: t0}, {acl: b1, prefix: "203.0.113.1", comment: ours, created: t0.Add(-time.Minute)}},
			want: "delete edgewarden_1 203.0.113.1/32 id000 duplicate", problems: 1},
		"an extension updates the one that stays and removes the other": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}, {acl: b2, prefix: "203.0.113.1", comment: gone}}, ds: []policy.Decision{extend},
			want: "delete edgewarden_2 203.0.113.1/32 id001 duplicate\nupdate edgewarden_1 203.0.113.1/32 id000", problems: 1},
		"an expired entry without a decision goes": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: gone}}, want: "delete edgewarden_1 203.0.113.1/32 id000 expired"},
		"at its very end it is expired": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: mark(policy.KindBlock, t0).String()}}, want: "delete edgewarden_1 203.0.113.1/32 id000 expired"},
		"one without an expiry stays": {
			rows: []row{{acl: ex, prefix: "203.0.113.1", comment: mark(policy.KindAllow, time.Time{}).String()}}},
		"expired exemptions and shadow entries go too, exemptions last": {
			rows: []row{{acl: ex, prefix: "203.0.113.1", comment: mark(policy.KindExempt, over).String()}, {acl: sh, prefix: "203.0.113.2", comment: mark(policy.KindShadow, over).String()}, {acl: b1, prefix: "203.0.113.3", comment: gone}},
			want: "delete edgewarden_shadow 203.0.113.2/32 id001 expired\ndelete edgewarden_1 203.0.113.3/32 id002 expired\ndelete edgewarden_exempt 203.0.113.1/32 id000 expired"},
		"a command by hand clears nothing up": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: gone}}, o: acl.DiffOptions{OnlyDecisions: true}},
		"an unreadable mark of ours stays until Max after it was made": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: broken, created: t0.Add(-23 * time.Hour)}}, problems: 1},
		"and is released then": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: broken, created: t0.Add(-24 * time.Hour)}},
			want: "delete edgewarden_1 203.0.113.1/32 id000 unreadable_mark", problems: 1},
		"a mark of a newer release is ours, and ends the same way": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: strings.Replace(ours, "ew1 ", "ew2 ", 1), created: t0.Add(-24 * time.Hour)}},
			want: "delete edgewarden_1 203.0.113.1/32 id000 unreadable_mark", problems: 1},
		"a mark of a newer release and another owner is foreign": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: "ew2 o=staging k=b", created: t0.Add(-48 * time.Hour)}}},
		"a block of its prefix mends it instead of doubling it": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: broken, created: t0}}, ds: []policy.Decision{block("203.0.113.1", 9)},
			want: "update edgewarden_1 203.0.113.1/32 id000"},
		"a shadow mark in a block ACL is not taken for a shadow entry": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: mark(policy.KindShadow, later).String(), created: t0.Add(-25 * time.Hour)}},
			want: "delete edgewarden_1 203.0.113.1/32 id000 unreadable_mark", problems: 1},
		"a negated entry with our mark is none of our making": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours, negated: true, created: t0}}, problems: 1},
		"foreign entries are never touched, expired or doubled as they may be": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: "by Ann"}, {acl: b1, prefix: "203.0.113.1", comment: "by Ann"}, {acl: b1, prefix: "203.0.113.2", comment: strings.Replace(gone, "edgewarden", "staging", 1)}, {acl: b1, prefix: "203.0.113.3", comment: ""}},
			ds:   []policy.Decision{release("203.0.113.1", policy.KindBlock, "unblocked"), release("203.0.113.2", policy.KindBlock, "unblocked"), release("203.0.113.3", policy.KindBlock, "unblocked")}},
		"what somebody else blocks already is not blocked twice": {
			rows: []row{{acl: b2, prefix: "203.0.113.1", comment: "by Ann"}}, ds: []policy.Decision{block("203.0.113.1", 9)}, refused: "203.0.113.1 foreign_entry"},
		"what somebody else exempts by a negated entry is not blocked": {
			rows: []row{{acl: b1, prefix: "203.0.113.0/24", comment: "by Ann", negated: true}}, ds: []policy.Decision{block("203.0.113.1", 9)}, refused: "203.0.113.1 foreign_negated"},
		"nor is a prefix around it": {
			rows: []row{{acl: b1, prefix: "203.0.113.9", comment: "by Ann", negated: true}}, ds: []policy.Decision{block("203.0.113.0/24", 9)}, refused: "203.0.113.0/24 foreign_negated"},
		"kinds go to their ACLs, exemptions first": {
			ds:   []policy.Decision{block("203.0.113.9", 99), shadow, exempt, allow},
			want: "create edgewarden_exempt 198.51.100.0/24\ncreate edgewarden_exempt 203.0.113.1/32\ncreate edgewarden_1 203.0.113.9/32\ncreate edgewarden_shadow 203.0.113.1/32"},
		"an allowlist prefix that is there is kept": {
			rows: []row{{acl: ex, prefix: "198.51.100.0/24", comment: acl.Mark{Owner: "edgewarden", Kind: policy.KindAllow, Since: t0.Add(-time.Hour), Rule: "-", Run: "r"}.String()}}, ds: []policy.Decision{allow}},
		"an exemption by hand does not shorten an allowlist prefix": {
			rows: []row{{acl: ex, prefix: "203.0.113.1", comment: mark(policy.KindAllow, time.Time{}).String()}}, ds: []policy.Decision{exempt}},
		"a prefix that left the allowlist takes no exemption by hand with it": {
			rows: []row{{acl: ex, prefix: "203.0.113.1", comment: mark(policy.KindExempt, later).String()}}, ds: []policy.Decision{release("203.0.113.1", policy.KindAllow, policy.CodeUnlisted)}},
		"most harmful first, then by prefix": {
			ds:   []policy.Decision{block("203.0.113.2", 5), block("203.0.113.1", 5), block("203.0.113.3", 50)},
			want: "create edgewarden_1 203.0.113.3/32\ncreate edgewarden_1 203.0.113.1/32\ncreate edgewarden_1 203.0.113.2/32"},
		"refusals pass through": {
			ds: []policy.Decision{with(block("203.0.113.1", 5), func(d *policy.Decision) { d.Verb, d.Code = policy.VerbRefuse, policy.CodeForgeable })}, refused: "203.0.113.1 forgeable_address"},
		"a decision without a prefix is refused": {
			ds: []policy.Decision{{Verb: policy.VerbBlock, Kind: policy.KindBlock, Key: "AS64500"}}, refused: "AS64500 bad_key"},
		"purge takes everything of ours and nothing else": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: ours}, {acl: b1, prefix: "203.0.113.2", comment: broken, created: t0}, {acl: b1, prefix: "203.0.113.3", comment: "by Ann"}, {acl: ex, prefix: "203.0.113.4", comment: mark(policy.KindAllow, time.Time{}).String()}},
			o:    acl.DiffOptions{Purge: true},
			want: "delete edgewarden_1 203.0.113.1/32 id000 purged\ndelete edgewarden_1 203.0.113.2/32 id001 purged\ndelete edgewarden_exempt 203.0.113.4/32 id003 purged"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Now, tc.o.Run = t0, "now"
			p := acl.Diff(snap(t, tc.rows...), tc.ds, tc.o)
			if d := cmp.Diff(tc.want, lines(p)); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.refused, codes(p.Refusals)); d != "" {
				t.Errorf("refusals (-want +got):\n%s", d)
			}
			if len(p.Problems) != tc.problems {
				t.Errorf("problems: %q", p.Problems)
			}
		})
	}
}

func TestAnUpdateKeepsWhatTheDecisionSays(t *testing.T) {
	d := with(block("203.0.113.1", 9), func(d *policy.Decision) {
		d.Verb, d.Until, d.Since, d.Strikes = policy.VerbExtend, later.Add(time.Hour), t0.Add(-time.Hour), 3
	})
	p := acl.Diff(snap(t, row{acl: b1, prefix: "203.0.113.1", comment: ours}), []policy.Decision{d}, acl.DiffOptions{Now: t0, Run: "now"})
	want := acl.Mark{Owner: "edgewarden", Kind: policy.KindBlock, Until: later.Add(time.Hour), Since: t0.Add(-time.Hour), Strikes: 3, Rule: "flood", Run: "now"}
	if got := p.Changes[0].Mark; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestMissingContainersAreSaid(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	s.RemoveACL("SVC1", ex)
	s.RemoveACL("SVC1", sh)
	s.RemoveDictionary("SVC1", acltest.Control)
	present := read(t, client(t, url))
	vital, shadow := present.Missing()
	if d := cmp.Diff([]string{"ACL edgewarden_exempt", "dictionary edgewarden_control"}, vital); d != "" || !shadow {
		t.Errorf("missing: %v %v", vital, shadow)
	}
	p := acl.Diff(present, []policy.Decision{with(block("203.0.113.1", 9), func(d *policy.Decision) { d.Kind = policy.KindShadow })}, acl.DiffOptions{Now: t0})
	if len(p.Problems) != 2 || len(p.Changes) != 0 || codes(p.Refusals) != "203.0.113.1 no_shadow_acl" {
		t.Errorf("problems %q, changes %s, refusals %s", p.Problems, lines(p), codes(p.Refusals))
	}
}

func TestWithoutAServiceAPlanShowsWhatWouldBeWritten(t *testing.T) {
	p := acl.Diff(acl.EmptySnapshot(acl.Target{}), []policy.Decision{block("203.0.113.1", 9)}, acl.DiffOptions{Now: t0})
	if lines(p) != "create edgewarden_1 203.0.113.1/32" || len(p.Problems) != 0 {
		t.Errorf("%s, %q", lines(p), p.Problems)
	}
}

func TestFullACLs(t *testing.T) {
	manual := mark(policy.KindBlock, later)
	manual.Rule = acl.RuleManual
	strikes := mark(policy.KindBlock, later)
	strikes.Strikes = 4
	weak := row{acl: b1, prefix: "203.0.113.1", comment: ours}
	for name, tc := range map[string]struct {
		rows []row
		ds   []policy.Decision
		want string
		room string
	}{
		"the second ACL takes what the first cannot, most harmful first": {
			ds:   []policy.Decision{block("203.0.113.1", 1), block("203.0.113.2", 2), block("203.0.113.3", 3)},
			want: "create edgewarden_1 203.0.113.3/32\ncreate edgewarden_1 203.0.113.2/32\ncreate edgewarden_2 203.0.113.1/32"},
		"what does not fit is said, and it is the least harmful": {
			ds:   []policy.Decision{block("203.0.113.1", 1), block("203.0.113.2", 2), block("203.0.113.3", 3), block("203.0.113.4", 4), block("203.0.113.5", 5)},
			want: "create edgewarden_1 203.0.113.5/32\ncreate edgewarden_1 203.0.113.4/32\ncreate edgewarden_2 203.0.113.3/32\ncreate edgewarden_2 203.0.113.2/32",
			room: "203.0.113.1 no_room"},
		"entries of others count": {
			rows: []row{{acl: b1, prefix: "198.51.100.1", comment: "Ann"}, {acl: b1, prefix: "198.51.100.2", comment: "Ann"}},
			ds:   []policy.Decision{block("203.0.113.1", 1)}, want: "create edgewarden_2 203.0.113.1/32"},
		"the least harmful of ours makes room": {
			rows: []row{weak, {acl: b1, prefix: "203.0.113.2", comment: strikes.String()}, {acl: b2, prefix: "198.51.100.1", comment: "Ann"}, {acl: b2, prefix: "198.51.100.2", comment: "Ann"}},
			ds:   []policy.Decision{block("203.0.113.9", 9)},
			want: "delete edgewarden_1 203.0.113.1/32 id000 evicted\ncreate edgewarden_1 203.0.113.9/32", room: "203.0.113.1 no_room"},
		"a block that is worth more does not": {
			rows: []row{weak, {acl: b1, prefix: "203.0.113.2", comment: ours}, {acl: b2, prefix: "198.51.100.1", comment: "Ann"}, {acl: b2, prefix: "198.51.100.2", comment: "Ann"}},
			ds: []policy.Decision{block("203.0.113.9", 9), with(block("203.0.113.1", 10), func(d *policy.Decision) { d.Verb = policy.VerbKeep }),
				with(block("203.0.113.2", 10), func(d *policy.Decision) { d.Verb = policy.VerbKeep })},
			room: "203.0.113.9 no_room"},
		"a block made by hand does not": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: manual.String()}, {acl: b1, prefix: "203.0.113.2", comment: manual.String()}, {acl: b2, prefix: "198.51.100.1", comment: "Ann"}, {acl: b2, prefix: "198.51.100.2", comment: "Ann"}},
			ds:   []policy.Decision{block("203.0.113.9", 1e6)}, room: "203.0.113.9 no_room"},
		"a full ACL of others is left alone": {
			rows: []row{{acl: b1, prefix: "198.51.100.1", comment: "Ann"}, {acl: b1, prefix: "198.51.100.2", comment: "Ann"}, {acl: b2, prefix: "198.51.100.3", comment: "Ann"}, {acl: b2, prefix: "198.51.100.4", comment: "Ann"}},
			ds:   []policy.Decision{block("203.0.113.9", 1e6)}, room: "203.0.113.9 no_room"},
		"what is released in the same run makes room without an eviction": {
			rows: []row{{acl: b1, prefix: "203.0.113.1", comment: gone}, {acl: b1, prefix: "203.0.113.2", comment: ours}, {acl: b2, prefix: "198.51.100.1", comment: "Ann"}, {acl: b2, prefix: "198.51.100.2", comment: "Ann"}},
			ds:   []policy.Decision{block("203.0.113.9", 9)},
			want: "delete edgewarden_1 203.0.113.1/32 id000 expired\ncreate edgewarden_1 203.0.113.9/32"},
	} {
		t.Run(name, func(t *testing.T) {
			p := acl.Diff(snap(t, tc.rows...), tc.ds, acl.DiffOptions{Now: t0, Capacity: 2})
			if d := cmp.Diff(tc.want, lines(p)); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.room, codes(p.NoRoom)); d != "" {
				t.Errorf("no room (-want +got):\n%s", d)
			}
			if (tc.room != "") != (len(p.Problems) > 0) {
				t.Errorf("problems: %q", p.Problems)
			}
		})
	}
}

func TestPresentGivesOneBlockAPrefixAndKind(t *testing.T) {
	s := snap(t, row{acl: b1, prefix: "203.0.113.1", comment: ours}, row{acl: b2, prefix: "203.0.113.1", comment: longer}, row{acl: sh, prefix: "203.0.113.1", comment: mark(policy.KindShadow, later).String()},
		row{acl: b1, prefix: "203.0.113.2", comment: "Ann"}, row{acl: b1, prefix: "203.0.113.3", comment: broken})
	got := s.Present()
	if len(got) != 2 || got[0].Kind != policy.KindBlock || !got[0].Until.Equal(later.Add(time.Hour)) || got[1].Kind != policy.KindShadow {
		t.Errorf("%+v", got)
	}
}

func TestCoveringNamesForeignEntriesToo(t *testing.T) {
	s := snap(t, row{acl: b1, prefix: "203.0.113.0/24", comment: "Ann"}, row{acl: b2, prefix: "203.0.113.7", comment: ours}, row{acl: b2, prefix: "203.0.113.8", comment: ours},
		row{acl: b1, prefix: "203.0.0.0/16", comment: "Ann", negated: true}, row{acl: ex, prefix: "203.0.113.7", comment: ours})
	var got []string
	for _, e := range s.Covering(prefix("203.0.113.7")) {
		got = append(got, e.Prefix.String())
	}
	if d := cmp.Diff([]string{"203.0.113.0/24", "203.0.113.7/32"}, got); d != "" {
		t.Error(d)
	}
}

func TestInsideNamesWhatABlockOfThePrefixWouldHold(t *testing.T) {
	s := snap(t, row{acl: b1, prefix: "203.0.113.0/24", comment: "Ann"}, row{acl: b2, prefix: "203.0.113.7", comment: ours}, row{acl: b1, prefix: "203.0.113.8/29", comment: "Ann"},
		row{acl: b1, prefix: "203.0.113.9", comment: "Ann", negated: true}, row{acl: ex, prefix: "203.0.113.10", comment: ours}, row{acl: b1, prefix: "203.0.112.7", comment: ours})
	var got []string
	for _, e := range s.Inside(prefix("203.0.113.0/24")) {
		got = append(got, e.Prefix.String())
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"203.0.113.7/32", "203.0.113.8/29"}, got); d != "" {
		t.Error(d)
	}
}

// random makes a state and decisions from a seed.
func random(r *rand.Rand) ([]row, []policy.Decision) {
	host := func() string { return fmt.Sprintf("203.0.113.%d", r.IntN(20)) }
	var rows []row
	for range r.IntN(30) {
		kind := []policy.Kind{policy.KindBlock, policy.KindBlock, policy.KindShadow, policy.KindExempt, policy.KindAllow}[r.IntN(5)]
		in := map[policy.Kind]string{policy.KindBlock: []string{b1, b2}[r.IntN(2)], policy.KindShadow: sh, policy.KindExempt: ex, policy.KindAllow: ex}[kind]
		c := mark(kind, t0.Add(time.Duration(r.IntN(120)-60)*time.Minute)).String()
		switch r.IntN(6) {
		case 0:
			c = "Ann's"
		case 1:
			c = broken
		case 2:
			in = []string{b1, b2, ex, sh}[r.IntN(4)]
		}
		rows = append(rows, row{acl: in, prefix: host(), comment: c, negated: r.IntN(10) == 0, created: t0.Add(-time.Duration(r.IntN(48)) * time.Hour)})
	}
	var ds []policy.Decision
	for range r.IntN(30) {
		d := block(host(), int64(r.IntN(5)))
		d.Verb = []policy.Verb{policy.VerbBlock, policy.VerbExtend, policy.VerbRelease, policy.VerbKeep, policy.VerbRefuse}[r.IntN(5)]
		d.Kind = []policy.Kind{policy.KindBlock, policy.KindShadow, policy.KindExempt}[r.IntN(3)]
		d.Until = t0.Add(time.Duration(1+r.IntN(90)) * time.Minute)
		ds = append(ds, d)
	}
	return rows, ds
}

func TestAfterApplyTheSameDiffIsEmptyAndForeignEntriesAreUntouched(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows, ds := random(r)
		capacity := 4 + r.IntN(30)
		s, url := edge(t, acltest.Options{})
		foreign := map[string]acltest.Entry{}
		for i, row := range rows {
			id := fmt.Sprintf("id%03d", i)
			put(s, id, row)
		}
		for _, name := range []string{b1, b2, ex, sh} {
			for _, e := range s.Entries("SVC1", name) {
				if !strings.HasPrefix(e.Comment, "ew1 o=edgewarden ") {
					foreign[name+e.ID] = e
				}
			}
		}
		c := client(t, url)
		o := acl.DiffOptions{Now: t0, Run: "now", Capacity: capacity}
		before := read(t, c)
		first := acl.Diff(before, ds, o)
		if again := acl.Diff(before, ds, o); cmp.Diff(lines(first), lines(again)) != "" {
			t.Fatalf("seed %d: two diffs of the same differ", seed)
		}
		res, err := c.Apply(t.Context(), before, first)
		if err != nil || len(res.Failed) > 0 {
			t.Fatalf("seed %d: %v, failed %v", seed, err, res.Failed)
		}
		if second := acl.Diff(res.After, ds, o); len(second.Changes) > 0 {
			t.Errorf("seed %d: after apply there is still\n%s\nfirst was\n%s", seed, lines(second), lines(first))
		}
		for _, name := range []string{b1, b2, ex, sh} {
			seen := map[netip.Prefix]int{}
			for _, e := range s.Entries("SVC1", name) {
				if f, ok := foreign[name+e.ID]; ok {
					if !cmp.Equal(f, e) {
						t.Errorf("seed %d: a foreign entry changed", seed)
					}
					delete(foreign, name+e.ID)
				} else if _, ours, err := acl.ParseMark(e.Comment, "edgewarden"); ours && err == nil && !e.Negated {
					seen[e.Prefix()]++
				}
			}
			if len(s.Entries("SVC1", name)) > max(capacity, len(rows)) {
				t.Errorf("seed %d: %s holds more than its capacity", seed, name)
			}
		}
		if len(foreign) > 0 {
			t.Errorf("seed %d: foreign entries are gone: %v", seed, foreign)
		}
	}
}

func TestADiffDoesNotDependOnTheOrderOfItsInput(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		rows, ds := random(r)
		s := snap(t, rows...)
		o := acl.DiffOptions{Now: t0, Capacity: 10}
		want := lines(acl.Diff(s, unique(ds), o))
		shuffled := unique(ds)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := lines(acl.Diff(s, shuffled, o)); got != want {
			t.Errorf("seed %d:\n%s\n---\n%s", seed, want, got)
		}
	}
}

// unique leaves one decision a kind and prefix, as policy does.
func unique(ds []policy.Decision) []policy.Decision {
	seen := map[string]bool{}
	var out []policy.Decision
	for _, d := range ds {
		k := string(d.Kind) + d.Prefix.String()
		if !seen[k] {
			seen[k] = true
			out = append(out, d)
		}
	}
	return out
}
