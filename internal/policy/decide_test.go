package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

var now = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

func prefix(s string) netip.Prefix {
	p, err := policy.ParseKey(s)
	if err != nil {
		panic(err)
	}
	return p
}

// base has one enforcing rule of an hour, one of six hours, and a shadow rule.
func base(offenders ...detect.Offender) policy.Input {
	return policy.Input{
		Now:       now,
		Offenders: offenders,
		Actions: map[string]policy.Action{
			"flood":  {Block: time.Hour, Enforce: true, CountsOnly: true, Floor: 100, Window: 10 * time.Minute},
			"login":  {Block: 6 * time.Hour, Enforce: true, CountsOnly: true, Floor: 60, Window: 15 * time.Minute},
			"probe":  {Block: 12 * time.Hour, Floor: 10, Window: 10 * time.Minute},
			"by-asn": {Block: time.Hour, Enforce: true, Report: true},
		},
		Never: lists.New(lists.NeverBlock()...),
		Allow: lists.New(lists.Entry{Prefix: prefix("198.51.100.0/28"), Reason: "office", List: lists.Allowlist}),
	}
}

func offender(key, rule string, requests int64) detect.Offender {
	return detect.Offender{Key: key, Group: detect.ByAddress, Rule: rule,
		Measures: detect.Measures{Requests: requests, LastSeen: now.Add(-3 * time.Minute)}}
}

func with(o detect.Offender, change func(*detect.Offender)) detect.Offender {
	change(&o)
	return o
}

// shared is an offender with many devices, most of whose requests go well.
func shared(key, rule string, requests int64) detect.Offender {
	return with(offender(key, rule, requests), func(o *detect.Offender) { o.Measures.JA4s, o.Measures.OK = 9, requests })
}

// failing is an office with so many failed logins among a thousand.
func failing(key string, errors int64) detect.Offender {
	return with(shared(key, "login", 1000), func(o *detect.Offender) { o.Measures.OK, o.Measures.Errors = 1000-errors, errors })
}

// heavy looks shared, and weighs more or less than its requests.
func heavy(key string, weight int64) detect.Offender {
	return with(shared(key, "flood", 1000), func(o *detect.Offender) { o.Measures.Weight, o.Measures.Weighed = weight, true })
}

// weighed makes flood a rule by weight.
func weighed(i *policy.Input) {
	a := i.Actions["flood"]
	a.FloorOf = "weight"
	i.Actions["flood"] = a
}

func weighing(key string, requests, weight int64) detect.After {
	a := after(key, "flood", requests)
	a.Weight = weight
	return a
}

func block(key, rule string, since, until time.Duration, strikes int) policy.Block {
	return policy.Block{Prefix: prefix(key), Kind: policy.KindBlock, Rule: rule, Since: now.Add(since), Until: now.Add(until), Strikes: strikes, Run: "r"}
}

func after(key, rule string, requests int64) detect.After {
	return detect.After{Present: detect.Present{Key: key, Rule: rule}, Requests: requests, LastSeen: now.Add(-3 * time.Minute)}
}

// brief writes a decision on one line: verb kind key rules until(after now) strikes code.
func brief(d policy.Decision) string {
	s := fmt.Sprintf("%s %s %s [%s]", d.Verb, d.Kind, d.Key, strings.Join(d.Rules, " "))
	if !d.Until.IsZero() {
		s += " +" + d.Until.Sub(now).String()
	}
	if d.Strikes > 0 {
		s += fmt.Sprintf(" n=%d", d.Strikes)
	}
	if d.Code != "" {
		s += " " + d.Code
	}
	return s
}

func briefs(ds []policy.Decision, skipAllow bool) []string {
	out := []string{}
	for _, d := range ds {
		if skipAllow && d.Kind == policy.KindAllow {
			continue
		}
		out = append(out, brief(d))
	}
	return out
}

func TestDecide(t *testing.T) {
	in := func(change func(*policy.Input), offenders ...detect.Offender) policy.Input {
		i := base(offenders...)
		if change != nil {
			change(&i)
		}
		return i
	}
	history := func(strikes int, ago time.Duration) func(*policy.Input) {
		return func(i *policy.Input) {
			i.History = map[netip.Prefix]policy.Past{prefix("203.0.113.9"): {Strikes: strikes, Last: now.Add(-ago)}}
		}
	}
	present := func(bs ...policy.Block) func(*policy.Input) {
		return func(i *policy.Input) { i.Present = bs }
	}
	presentAfter := func(a detect.After, bs ...policy.Block) func(*policy.Input) {
		return func(i *policy.Input) { i.Present, i.After = bs, []detect.After{a} }
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		in   policy.Input
		want []string
	}{
		{"nothing in, nothing out", in(nil), []string{}},
		{"a first offence is blocked for the rule's time", in(nil, offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"a second offence doubles", in(history(1, day), offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +2h0m0s n=2"}},
		{"a tenth offence is still at most max", in(history(9, day), offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +24h0m0s n=10"}},
		{"a thousandth offence does not overflow", in(history(1<<40, day), offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +24h0m0s n=1099511627777"}},
		{"strikes are forgotten after thirty days", in(history(5, 30*day+time.Second), offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"strikes are remembered for thirty days", in(history(2, 30*day), offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +4h0m0s n=3"}},
		{"what is left of the burst of the last block is no new strike", in(history(1, 4*time.Minute), offender("203.0.113.9", "flood", 500)),
			[]string{"refuse block 203.0.113.9 [flood] same_burst"}},
		{"escalation is a setting", in(func(i *policy.Input) {
			history(2, day)(i)
			i.Settings.Escalation = 3
		}, offender("203.0.113.9", "flood", 500)), []string{"block block 203.0.113.9 [flood] +9h0m0s n=3"}},
		{"an escalation below one does not shorten", in(func(i *policy.Input) {
			history(2, day)(i)
			i.Settings.Escalation = 0.5
		}, offender("203.0.113.9", "flood", 500)), []string{"block block 203.0.113.9 [flood] +1h0m0s n=3"}},
		{"an address that many devices share never escalates", in(history(3, day), with(offender("203.0.113.9", "flood", 500), func(o *detect.Offender) {
			o.Measures.JA4s, o.Measures.OK = 5, 400
		})), []string{"block block 203.0.113.9 [flood] +1h0m0s n=3"}},
		{"an address that many devices share gets four times the room of its rule", in(nil, shared("203.0.113.9", "flood", 399)),
			[]string{"refuse block 203.0.113.9 [flood] looks_shared"}},
		{"and no more", in(nil, shared("203.0.113.9", "flood", 400)), []string{"block block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"so does a carrier's prefix", in(nil, with(shared("203.0.113.0/24", "flood", 399), func(o *detect.Offender) {
			o.Group, o.Measures.Addresses = detect.ByPrefix, 60
		})), []string{"refuse block 203.0.113.0/24 [flood] looks_shared"}},
		{"the room is a setting", in(func(i *policy.Input) { i.Settings.SharedRoom = 2.5 }, shared("203.0.113.9", "flood", 249), shared("203.0.113.8", "flood", 250)),
			[]string{"block block 203.0.113.8 [flood] +1h0m0s n=1", "refuse block 203.0.113.9 [flood] looks_shared"}},
		{"the room is one of what the rule bounds", in(func(i *policy.Input) {
			a := i.Actions["login"]
			a.FloorOf = "errors"
			i.Actions["login"] = a
		}, failing("203.0.113.8", 239), failing("203.0.113.9", 240)),
			[]string{"block block 203.0.113.9 [login] +6h0m0s n=1", "refuse block 203.0.113.8 [login] looks_shared"}},
		{"an office is known by all it asks for, not by the failed logins that a rule looks at", in(nil, with(offender("203.0.113.8", "login", 239), func(o *detect.Offender) {
			o.Measures.OK, o.Measures.JA4s, o.Measures.Whole = 0, 1, detect.Whole{Requests: 3000, OK: 2700, OKAddresses: 1, JA4s: 9}
		}), with(offender("203.0.113.9", "login", 239), func(o *detect.Offender) {
			o.Measures.OK, o.Measures.JA4s, o.Measures.Whole = 0, 9, detect.Whole{Requests: 300, OK: 61, OKAddresses: 1, JA4s: 9}
		})), []string{"block block 203.0.113.9 [login] +6h0m0s n=1", "refuse block 203.0.113.8 [login] looks_shared"}},
		{"of whom it is not known what else he asked for may be an office", in(nil, with(offender("203.0.113.8", "login", 239), func(o *detect.Offender) { o.Measures.Whole.Unknown = true }),
			with(offender("203.0.113.9", "login", 240), func(o *detect.Offender) { o.Measures.Whole.Unknown = true })), []string{"block block 203.0.113.9 [login] +6h0m0s n=1", "refuse block 203.0.113.8 [login] looks_shared"}},
		{"of a rule by weight it is one of weight", in(weighed, heavy("203.0.113.8", 399), heavy("203.0.113.9", 400)),
			[]string{"block block 203.0.113.9 [flood] +1h0m0s n=1", "refuse block 203.0.113.8 [flood] looks_shared"}},
		{"a room of one is none", in(func(i *policy.Input) { i.Settings.SharedRoom = 1 }, shared("203.0.113.9", "flood", 100)),
			[]string{"block block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"one rule that is met with room to spare is enough", in(nil, shared("203.0.113.9", "flood", 150), offender("203.0.113.9", "login", 70)),
			[]string{"block block 203.0.113.9 [login] +6h0m0s n=1", "refuse block 203.0.113.9 [flood] looks_shared"}},
		{"the room is the same in shadow mode", in(nil, shared("203.0.113.9", "probe", 39)), []string{"refuse shadow 203.0.113.9 [probe] looks_shared"}},
		{"a block that is there is not argued with", in(func(i *policy.Input) {
			i.Present = []policy.Block{block("203.0.113.9", "flood", -5*time.Minute, 55*time.Minute, 1)}
		}, shared("203.0.113.9", "flood", 150)), []string{"keep block 203.0.113.9 [flood] +55m0s n=1"}},
		{"many fingerprints without success are no office", in(history(1, day), with(offender("203.0.113.9", "flood", 500), func(o *detect.Offender) {
			o.Measures.JA4s, o.Measures.OK = 9, 250
		})), []string{"block block 203.0.113.9 [flood] +2h0m0s n=2"}},
		{"of two rules the longer block wins and both are named", in(nil, offender("203.0.113.9", "flood", 500), offender("203.0.113.9", "login", 70)),
			[]string{"block block 203.0.113.9 [flood login] +6h0m0s n=1"}},
		{"enforce beats shadow, and a shadow rule does not lengthen a block", in(nil, offender("203.0.113.9", "probe", 900), offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood probe] +1h0m0s n=1"}},
		{"a rule in shadow mode makes a shadow entry", in(nil, offender("203.0.113.9", "probe", 20)),
			[]string{"block shadow 203.0.113.9 [probe] +12h0m0s n=1"}},
		{"a shadow entry does not count a real block's strikes", in(history(3, day), offender("203.0.113.9", "probe", 20)),
			[]string{"block shadow 203.0.113.9 [probe] +12h0m0s n=1"}},
		{"a shadow entry counts its own", in(func(i *policy.Input) {
			i.ShadowHistory = map[netip.Prefix]policy.Past{prefix("203.0.113.9"): {Strikes: 1, Last: now.Add(-day)}}
		}, offender("203.0.113.9", "probe", 20)), []string{"block shadow 203.0.113.9 [probe] +24h0m0s n=2"}},
		{"the most harmful comes first", in(nil, offender("203.0.113.1", "flood", 200), offender("203.0.113.2", "flood", 900), offender("203.0.113.3", "flood", 200)),
			[]string{"block block 203.0.113.2 [flood] +1h0m0s n=1", "block block 203.0.113.1 [flood] +1h0m0s n=1", "block block 203.0.113.3 [flood] +1h0m0s n=1"}},
		{"an IPv6 /64 is blocked whole", in(nil, offender("2001:db8:1:2::/64", "flood", 500)),
			[]string{"block block 2001:db8:1:2::/64 [flood] +1h0m0s n=1"}},
		{"an IPv4-mapped key is the IPv4 address", in(nil, offender("::ffff:203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +1h0m0s n=1"}},

		{"an allowlisted address is refused", in(nil, offender("198.51.100.7", "flood", 500)), []string{"refuse block 198.51.100.7 [flood] allowlisted"}},
		{"a prefix around an allowlisted host is refused", in(nil, with(offender("198.51.100.0/24", "flood", 500), func(o *detect.Offender) { o.Group = detect.ByPrefix })),
			[]string{"refuse block 198.51.100.0/24 [flood] allowlisted"}},
		{"an allowlist entry that expired protects nobody", in(func(i *policy.Input) {
			i.Allow = lists.New(lists.Entry{Prefix: prefix("203.0.113.9"), Until: now, Reason: "test"})
		}, offender("203.0.113.9", "flood", 500)), []string{"block block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"a private address is refused", in(nil, offender("10.1.2.3", "flood", 500)), []string{"refuse block 10.1.2.3 [flood] never_block"}},
		{"Fastly itself is refused", in(nil, offender("151.101.1.1", "flood", 500)), []string{"refuse block 151.101.1.1 [flood] never_block"}},
		{"a verified crawler is refused", in(func(i *policy.Input) {
			i.Crawlers = lists.New(lists.Entry{Prefix: prefix("203.0.113.0/28"), Reason: "examplebot", List: lists.Crawlers})
		}, offender("203.0.113.9", "flood", 500)), []string{"refuse block 203.0.113.9 [flood] verified_crawler"}},
		{"a prefix that is too wide is refused", in(nil, with(offender("203.0.112.0/23", "flood", 500), func(o *detect.Offender) { o.Group = detect.ByPrefix })),
			[]string{"refuse block 203.0.112.0/23 [flood] too_wide"}},
		{"an IPv6 prefix that is too wide is refused", in(nil, offender("2001:db8::/47", "flood", 500)), []string{"refuse block 2001:db8::/47 [flood] too_wide"}},
		{"all of IPv6 is refused", in(nil, offender("::/0", "flood", 500)), []string{"refuse block ::/0 [flood] never_block"}},
		{"a prefix of which one address took part is refused", in(nil, with(offender("203.0.113.0/24", "flood", 500), func(o *detect.Offender) {
			o.Group, o.Measures.Addresses = detect.ByPrefix, 2
		})), []string{"refuse block 203.0.113.0/24 [flood] few_addresses"}},
		{"a prefix of which enough took part is blocked", in(nil, with(offender("203.0.113.0/24", "flood", 500), func(o *detect.Offender) {
			o.Group, o.Measures.Addresses = detect.ByPrefix, 3
		})), []string{"block block 203.0.113.0/24 [flood] +1h0m0s n=1"}},
		{"a network number is reported only", in(nil, with(offender("64500", "by-asn", 500), func(o *detect.Offender) { o.Group = detect.ByASN })),
			[]string{"refuse block 64500 [by-asn] report_only"}},
		{"a fingerprint is reported only, whatever the action says", in(nil, with(offender("t13d", "flood", 500), func(o *detect.Offender) { o.Group = detect.ByJA4 })),
			[]string{"refuse block t13d [flood] report_only"}},
		{"a key that is no address is refused", in(nil, offender("\x1b[2J", "flood", 500)), []string{"refuse block \x1b[2J [flood] bad_key"}},
		{"an empty key is refused", in(nil, offender("", "flood", 500)), []string{"refuse block  [flood] bad_key"}},
		{"a key with host bits is refused", in(nil, offender("203.0.113.9/24", "flood", 500)), []string{"refuse block 203.0.113.9/24 [flood] bad_key"}},
		{"a rule without an action is refused", in(nil, offender("203.0.113.9", "ghost", 500)), []string{"refuse shadow 203.0.113.9 [ghost] unknown_rule"}},
		{"a forgeable address is refused", in(nil, with(offender("203.0.113.9", "flood", 500), func(o *detect.Offender) { o.Trust.Forgeable = true })),
			[]string{"refuse block 203.0.113.9 [flood] forgeable_address"}},
		{"an unauthenticated sender is refused", in(nil, with(offender("203.0.113.9", "flood", 500), func(o *detect.Offender) { o.Trust.Unauthenticated = true })),
			[]string{"refuse block 203.0.113.9 [flood] unauthenticated_sender"}},
		{"rows with both faults have the code of the address", in(nil, with(offender("203.0.113.9", "flood", 500), func(o *detect.Offender) {
			o.Trust = detect.Trust{Forgeable: true, Unauthenticated: true}
		})), []string{"refuse block 203.0.113.9 [flood] forgeable_address"}},
		{"lifting one of two faults leaves the other", in(func(i *policy.Input) { i.Settings.TrustForgeable = true },
			with(offender("203.0.113.9", "flood", 500), func(o *detect.Offender) { o.Trust = detect.Trust{Forgeable: true, Unauthenticated: true} })),
			[]string{"refuse block 203.0.113.9 [flood] unauthenticated_sender"}},
		{"lifting both blocks", in(func(i *policy.Input) { i.Settings.TrustForgeable, i.Settings.TrustUnauthenticated = true, true },
			with(offender("203.0.113.9", "flood", 500), func(o *detect.Offender) { o.Trust = detect.Trust{Forgeable: true, Unauthenticated: true} })),
			[]string{"block block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"trust does not lift the allowlist", in(func(i *policy.Input) { i.Settings.TrustForgeable = true },
			with(offender("198.51.100.7", "flood", 500), func(o *detect.Offender) { o.Trust.Forgeable = true })),
			[]string{"refuse block 198.51.100.7 [flood] allowlisted"}},
		{"what was unblocked by hand stays unblocked", in(present(policy.Block{Prefix: prefix("203.0.113.9"), Kind: policy.KindExempt, Since: now.Add(-time.Hour), Until: now.Add(time.Hour)}),
			offender("203.0.113.9", "flood", 500)), []string{"keep exempt 203.0.113.9 [] +1h0m0s", "refuse block 203.0.113.9 [flood] exempt"}},
		{"an exemption that expired is released and protects no more", in(present(policy.Block{Prefix: prefix("203.0.113.9"), Kind: policy.KindExempt, Since: now.Add(-time.Hour), Until: now}),
			offender("203.0.113.9", "flood", 500)), []string{"block block 203.0.113.9 [flood] +1h0m0s n=1", "release exempt 203.0.113.9 [] +0s expired"}},
		{"an exemption without an end lasts seven days", in(present(policy.Block{Prefix: prefix("203.0.113.9"), Kind: policy.KindExempt, Since: now.Add(-7 * day)})),
			[]string{"release exempt 203.0.113.9 [] expired"}},

		{"a present block is kept until its time", in(present(block("203.0.113.9", "flood", -10*time.Minute, 50*time.Minute, 2))),
			[]string{"keep block 203.0.113.9 [flood] +50m0s n=2"}},
		{"a present block is released when its time has come", in(present(block("203.0.113.9", "flood", -time.Hour, 0, 2))),
			[]string{"release block 203.0.113.9 [flood] +0s n=2 expired"}},
		{"requests after the block move its expiry on, without a strike", in(presentAfter(after("203.0.113.9", "flood", 100), block("203.0.113.9", "flood", -30*time.Minute, 30*time.Minute, 1))),
			[]string{"extend block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"an expiry moves by the escalated time", in(presentAfter(after("203.0.113.9", "flood", 100), block("203.0.113.9", "flood", -2*time.Hour, 30*time.Minute, 3))),
			[]string{"extend block 203.0.113.9 [flood] +4h0m0s n=3"}},
		{"requests below the rule's floor do not", in(presentAfter(after("203.0.113.9", "flood", 99), block("203.0.113.9", "flood", -30*time.Minute, 30*time.Minute, 1))),
			[]string{"keep block 203.0.113.9 [flood] +30m0s n=1"}},
		{"a block of a rule by weight moves on by what the requests weigh", in(func(i *policy.Input) {
			presentAfter(weighing("203.0.113.9", 9, 100), block("203.0.113.9", "flood", -30*time.Minute, 30*time.Minute, 1))(i)
			weighed(i)
		}), []string{"extend block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"and not by how many they are", in(func(i *policy.Input) {
			presentAfter(weighing("203.0.113.9", 5000, 99), block("203.0.113.9", "flood", -30*time.Minute, 30*time.Minute, 1))(i)
			weighed(i)
		}), []string{"keep block 203.0.113.9 [flood] +30m0s n=1"}},
		{"a burst that ended before the window does not", in(presentAfter(detect.After{Present: detect.Present{Key: "203.0.113.9", Rule: "flood"}, Requests: 9999, LastSeen: now.Add(-20 * time.Minute)},
			block("203.0.113.9", "flood", -30*time.Minute, 30*time.Minute, 1))), []string{"keep block 203.0.113.9 [flood] +30m0s n=1"}},
		{"an expiry that would hardly move stays, to spare a write", in(presentAfter(after("203.0.113.9", "flood", 100), block("203.0.113.9", "flood", -10*time.Minute, 50*time.Minute, 1))),
			[]string{"keep block 203.0.113.9 [flood] +50m0s n=1"}},
		{"an expiry moves to at most max after the beginning", in(presentAfter(after("203.0.113.9", "flood", 100), block("203.0.113.9", "flood", -23*time.Hour-50*time.Minute, 5*time.Minute, 1))),
			[]string{"extend block 203.0.113.9 [flood] +10m0s n=1"}},
		{"at max the block ends, though the address does not", in(presentAfter(after("203.0.113.9", "flood", 100), block("203.0.113.9", "flood", -day, 0, 1))),
			[]string{"release block 203.0.113.9 [flood] +0s n=1 expired"}},
		{"a due block whose address goes on moves on", in(presentAfter(after("203.0.113.9", "flood", 100), block("203.0.113.9", "flood", -time.Hour, 0, 1))),
			[]string{"extend block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"a block whose rule is gone keeps its expiry", in(presentAfter(after("203.0.113.9", "gone", 100), block("203.0.113.9", "gone", -30*time.Minute, 30*time.Minute, 1))),
			[]string{"keep block 203.0.113.9 [gone] +30m0s n=1"}},
		{"a block whose rule went to shadow does not move on", in(presentAfter(after("203.0.113.9", "probe", 100), block("203.0.113.9", "probe", -30*time.Minute, 30*time.Minute, 1))),
			[]string{"keep block 203.0.113.9 [probe] +30m0s n=1"}},
		{"a present block by hand is kept and released like any other", in(present(block("203.0.113.9", "manual", -time.Hour, time.Minute, 1), block("203.0.113.10", "manual", -time.Hour, -time.Minute, 1))),
			[]string{"release block 203.0.113.10 [manual] +-1m0s n=1 expired", "keep block 203.0.113.9 [manual] +1m0s n=1"}},
		{"a block that a person made for longer than max is kept", in(present(block("203.0.113.9", "manual", -day, 2*day, 1))),
			[]string{"keep block 203.0.113.9 [manual] +48h0m0s n=1"}},
		{"a block without an expiry is released at max", in(present(policy.Block{Prefix: prefix("203.0.113.9"), Kind: policy.KindBlock, Since: now.Add(-day)})),
			[]string{"release block 203.0.113.9 [] expired"}},
		{"a block with neither beginning nor expiry is released", in(present(policy.Block{Prefix: prefix("203.0.113.9"), Kind: policy.KindBlock})),
			[]string{"release block 203.0.113.9 [] expired"}},
		{"a present block that is allowlisted by now is released", in(present(block("198.51.100.7", "flood", -time.Minute, time.Hour, 1))),
			[]string{"release block 198.51.100.7 [flood] +1h0m0s n=1 allowlisted"}},
		{"a present /24 around an allowlisted host is released", in(present(block("198.51.100.0/24", "flood", -time.Minute, time.Hour, 1))),
			[]string{"release block 198.51.100.0/24 [flood] +1h0m0s n=1 allowlisted"}},
		{"a present shadow entry that is allowlisted is released", in(func(i *policy.Input) {
			b := block("198.51.100.7", "probe", -time.Minute, time.Hour, 1)
			b.Kind = policy.KindShadow
			i.Present = []policy.Block{b}
		}), []string{"release shadow 198.51.100.7 [probe] +1h0m0s n=1 allowlisted"}},
		{"a present block that must never be is released", in(present(block("10.0.0.1", "flood", -time.Minute, time.Hour, 1))),
			[]string{"release block 10.0.0.1 [flood] +1h0m0s n=1 never_block"}},
		{"a present block that was exempted by hand is released", in(present(block("203.0.113.9", "flood", -time.Minute, time.Hour, 1),
			policy.Block{Prefix: prefix("203.0.113.9"), Kind: policy.KindExempt, Since: now, Until: now.Add(time.Hour)})),
			[]string{"release block 203.0.113.9 [flood] +1h0m0s n=1 exempt", "keep exempt 203.0.113.9 [] +1h0m0s"}},
		{"a present /24 with an exempt host stays, the edge asks the exemption first", in(present(block("203.0.113.0/24", "flood", -time.Minute, time.Hour, 1),
			policy.Block{Prefix: prefix("203.0.113.9"), Kind: policy.KindExempt, Since: now, Until: now.Add(time.Hour)})),
			[]string{"keep block 203.0.113.0/24 [flood] +1h0m0s n=1", "keep exempt 203.0.113.9 [] +1h0m0s"}},
		{"an offender that is blocked already is no second block", in(present(block("203.0.113.9", "flood", -2*time.Minute, time.Hour, 1)), offender("203.0.113.9", "login", 500)),
			[]string{"keep block 203.0.113.9 [flood login] +1h0m0s n=1"}},
		{"an offender under a present wider block is no second block", in(present(block("203.0.113.0/24", "flood", -2*time.Minute, time.Hour, 1)), offender("203.0.113.9", "login", 500)),
			[]string{"keep block 203.0.113.0/24 [flood login] +1h0m0s n=1"}},
		{"an offender under a wider new block is no second block", in(nil, offender("203.0.113.9", "login", 500),
			with(offender("203.0.113.0/24", "flood", 400), func(o *detect.Offender) { o.Group = detect.ByPrefix })),
			[]string{"block block 203.0.113.0/24 [flood login] +1h0m0s n=1"}},
		{"a wider block comes beside the narrower one that is there", in(present(block("203.0.113.9", "flood", -2*time.Minute, time.Hour, 1)),
			with(offender("203.0.113.0/24", "flood", 400), func(o *detect.Offender) { o.Group = detect.ByPrefix })),
			[]string{"block block 203.0.113.0/24 [flood] +1h0m0s n=1", "keep block 203.0.113.9 [flood] +1h0m0s n=1"}},
		{"a due block of an address that gets through and goes on becomes a new strike", in(present(block("203.0.113.9", "flood", -time.Hour, 0, 1)), offender("203.0.113.9", "flood", 500)),
			[]string{"block block 203.0.113.9 [flood] +2h0m0s n=2"}},
		{"a due block whose offender is the old burst is released", in(present(block("203.0.113.9", "flood", -4*time.Minute, 0, 1)), offender("203.0.113.9", "flood", 500)),
			[]string{"release block 203.0.113.9 [flood] +0s n=1 expired", "refuse block 203.0.113.9 [flood] same_burst"}},
		{"a shadow offender under a block is named there", in(present(block("203.0.113.0/24", "flood", -2*time.Minute, time.Hour, 1)), offender("203.0.113.9", "probe", 500)),
			[]string{"keep block 203.0.113.0/24 [flood probe] +1h0m0s n=1"}},
		{"a shadow entry does not keep a block away", in(func(i *policy.Input) {
			b := block("203.0.113.9", "probe", -2*time.Minute, time.Hour, 1)
			b.Kind = policy.KindShadow
			i.Present = []policy.Block{b}
		}, offender("203.0.113.9", "flood", 500)), []string{"block block 203.0.113.9 [flood] +1h0m0s n=1", "keep shadow 203.0.113.9 [probe] +1h0m0s n=1"}},
		{"of two entries for one prefix the longer speaks", in(present(block("203.0.113.9", "flood", -time.Hour, -time.Minute, 1), block("203.0.113.9", "login", -time.Hour, time.Hour, 2))),
			[]string{"keep block 203.0.113.9 [login] +1h0m0s n=2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := policy.Decide(c.in)
			if diff := cmp.Diff(c.want, briefs(got, true)); diff != "" {
				t.Error(diff)
			}
			for _, d := range got {
				if d.Reason == "" || strings.ContainsAny(d.Reason, "\n\x1b") || !strings.HasSuffix(d.Reason, ".") {
					t.Errorf("%s has no sentence as its reason: %q", brief(d), d.Reason)
				}
				if (d.Verb == policy.VerbRefuse || d.Verb == policy.VerbRelease) != (d.Code != "") {
					t.Errorf("%s: only refusals and releases have a code", brief(d))
				}
			}
		})
	}
}

func TestReasonsNameTheKeyThatLiftsThem(t *testing.T) {
	for _, c := range []struct {
		trust detect.Trust
		want  []string
	}{
		{detect.Trust{Forgeable: true}, []string{"trust: {allow: [forgeable_address]}"}},
		{detect.Trust{Unauthenticated: true}, []string{"trust: {allow: [unauthenticated_sender]}"}},
		{detect.Trust{Forgeable: true, Unauthenticated: true}, []string{"trust: {allow: [forgeable_address, unauthenticated_sender]}"}},
	} {
		o := offender("203.0.113.9", "flood", 500)
		o.Trust = c.trust
		ds := policy.Decide(base(o))
		got := ds[slices.IndexFunc(ds, func(d policy.Decision) bool { return d.Verb == policy.VerbRefuse })]
		for _, want := range c.want {
			if !strings.Contains(got.Reason, want) {
				t.Errorf("%+v: reason %q does not name %q", c.trust, got.Reason, want)
			}
		}
	}
}

func TestAllowlistInTheExemptACL(t *testing.T) {
	entry := func(p string, until time.Time) lists.Entry {
		return lists.Entry{Prefix: prefix(p), Reason: "office", Until: until, List: lists.Allowlist}
	}
	allow := func(p string, until time.Time) policy.Block {
		return policy.Block{Prefix: prefix(p), Kind: policy.KindAllow, Since: now.Add(-time.Hour), Until: until}
	}
	day := now.Add(24 * time.Hour)
	for _, c := range []struct {
		name    string
		list    *lists.Set
		present []policy.Block
		want    []string
	}{
		{"a listed prefix belongs there", lists.New(entry("198.51.100.0/24", time.Time{})), nil, []string{"allow allow 198.51.100.0/24 []"}},
		{"even one too wide to be blocked", lists.New(entry("198.51.0.0/16", time.Time{})), nil, []string{"allow allow 198.51.0.0/16 []"}},
		{"what is there is kept", lists.New(entry("198.51.100.0/24", time.Time{})), []policy.Block{allow("198.51.100.0/24", time.Time{})}, []string{"keep allow 198.51.100.0/24 []"}},
		{"a changed expiry is written", lists.New(entry("198.51.100.0/24", day)), []policy.Block{allow("198.51.100.0/24", time.Time{})}, []string{"allow allow 198.51.100.0/24 [] +24h0m0s"}},
		{"an expired entry is not wanted", lists.New(entry("198.51.100.0/24", now)), nil, []string{}},
		{"an entry no longer listed goes", lists.New(), []policy.Block{allow("198.51.100.0/24", time.Time{})}, []string{"release allow 198.51.100.0/24 [] unlisted"}},
		{"an entry that expired on the list goes", lists.New(entry("198.51.100.0/24", now)), []policy.Block{allow("198.51.100.0/24", now)}, []string{"release allow 198.51.100.0/24 [] +0s unlisted"}},
		{"without a list nothing is known and nothing goes", nil, []policy.Block{allow("198.51.100.0/24", time.Time{})}, []string{"keep allow 198.51.100.0/24 []"}},
		{"of two entries for a prefix the longer counts", lists.New(entry("198.51.100.0/24", day), entry("198.51.100.0/24", time.Time{})), nil, []string{"allow allow 198.51.100.0/24 []"}},
		{"an exemption by hand for the same prefix is enough for now", lists.New(entry("198.51.100.7", time.Time{})),
			[]policy.Block{{Prefix: prefix("198.51.100.7"), Kind: policy.KindExempt, Since: now, Until: day}}, []string{"keep exempt 198.51.100.7 [] +24h0m0s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := policy.Decide(policy.Input{Now: now, Allow: c.list, Present: c.present})
			if diff := cmp.Diff(c.want, briefs(got, false)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAllowlistThatIsNotReadWholeReleasesNothing(t *testing.T) {
	in := base(offender("192.0.2.9", "flood", 500), offender("203.0.113.9", "flood", 500))
	in.AllowPartial = true
	in.Present = []policy.Block{
		{Prefix: prefix("192.0.2.0/28"), Kind: policy.KindAllow, Since: now.Add(-time.Hour)},
		{Prefix: prefix("198.51.100.0/28"), Kind: policy.KindAllow, Since: now.Add(-time.Hour)},
		{Prefix: prefix("203.0.113.0/28"), Kind: policy.KindAllow, Since: now.Add(-time.Hour), Until: now},
	}
	want := []string{
		"block block 203.0.113.9 [flood] +1h0m0s n=1",
		"release allow 203.0.113.0/28 [] +0s unlisted",
		"keep allow 192.0.2.0/28 []",
		"keep allow 198.51.100.0/28 []",
		"refuse block 192.0.2.9 [flood] allowlisted",
	}
	if diff := cmp.Diff(want, briefs(policy.Decide(in), false)); diff != "" {
		t.Error(diff)
	}
}

func TestQuestions(t *testing.T) {
	in := base()
	shadow := block("203.0.113.12", "probe", -5*time.Minute, time.Hour, 1)
	shadow.Kind = policy.KindShadow
	got := policy.Questions([]policy.Block{
		block("203.0.113.9", "flood", -5*time.Minute, time.Hour, 1),
		block("203.0.113.0/24", "flood", -5*time.Hour, time.Hour, 1),
		block("203.0.113.10", "gone", -5*time.Minute, time.Hour, 1),
		block("203.0.113.11", "probe", -5*time.Minute, time.Hour, 1), // the rule is in shadow mode by now
		shadow,
	}, in.Actions, in.Settings, now)
	want := []detect.Present{
		{Key: "203.0.113.9", Rule: "flood", From: now.Add(-3 * time.Minute)},
		{Key: "203.0.113.0/24", Rule: "flood", From: now.Add(-10 * time.Minute)},
		{Key: "203.0.113.12", Rule: "probe", From: now.Add(-3 * time.Minute)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the requests since a block took hold, but no longer ago than the window:\n%s", diff)
	}
}
