// Package reporttest has runs to make pages from: quiet, busy, full, failed and hostile ones. Addresses are from
// reserved ranges. The same call gives the same run.
package reporttest

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
	"edgewarden/internal/report"
)

// Now is when every run was made.
var Now = time.Date(2031, 5, 6, 7, 30, 0, 0, time.UTC)

const to = -15 * time.Second

// snapshot is an edge with n blocks of ours and two entries of others.
func snapshot(n int) *acl.Snapshot {
	s := acl.EmptySnapshot(acl.Target{ServiceID: "SVC1", ACLs: []string{"edgewarden_1", "edgewarden_2", "edgewarden_3", "edgewarden_4"}})
	s.Version, s.ReadAt, s.EnforceUntil = 41, Now, Now.Add(23*time.Hour)
	for i := range n {
		l := &s.Blocks[i/1000]
		l.Entries = append(l.Entries, entry(l.Name, policy.KindBlock, Address(i), []string{"login-bruteforce", "flood", "scanner"}[i%3], i, time.Duration(20+i%40)*time.Minute))
	}
	for i := range 2 {
		s.Blocks[0].Entries = append(s.Blocks[0].Entries, acl.Entry{ID: "f", ACL: "edgewarden_1", Prefix: netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", i)), Comment: "a colleague's"})
	}
	return s
}

// Address is the i-th blocked prefix: hosts, every tenth a /24, every seventh an IPv6 /64.
func Address(i int) netip.Prefix {
	switch {
	case i%7 == 3:
		return netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:%x::/64", i/256, i))
	case i%10 == 9:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{240, byte(i / 2560), byte(i / 10), 0}), 24)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, byte(i / 200), byte(1 + i%200)}), 32)
}

func entry(list string, kind policy.Kind, p netip.Prefix, rule string, i int, left time.Duration) acl.Entry {
	m := acl.Mark{Owner: "edgewarden", Kind: kind, Rule: rule, Run: "lqk2x9v0a1b2", Since: Now.Add(-time.Duration(5+i%50) * time.Minute), Until: Now.Add(left), Strikes: 1 + i%3}
	return acl.Entry{ID: "e" + strconv.Itoa(i), ACL: list, ACLID: list, Prefix: p, Comment: m.String(), Ours: true, Mark: m, CreatedAt: m.Since}
}

// past is what the ledger knows: a day of runs, and why the first blocks were made.
func past(s *acl.Snapshot) (events []ledger.Event) {
	for i := range 288 {
		t := Now.Add(time.Duration(i-288) * 5 * time.Minute)
		rows := int64(11_000 + 4_000*math.Sin(float64(i)/46) + float64(i*7919%900))
		if i > 280 {
			rows += int64(i-280) * 1500
		}
		sum := ledger.Summary{Run: fmt.Sprintf("lqk2x%07d", i), Time: t, Outcome: ledger.Success, Service: "SVC1", Window: 15 * time.Minute, Rows: rows, Trusted: rows,
			Offenders: int64(i % 3), Ours: 118, Extra: map[string]string{"guard": "pass"}}
		if i%71 == 40 {
			sum.Blocks = 2
		}
		if i == 284 {
			sum.Outcome, sum.Rows, sum.Extra = ledger.Failure, 0, map[string]string{"error": "asking the log store: the dataset cannot be reached"}
		}
		e := sum.Event()
		e.Run = sum.Run
		events = append(events, e)
	}
	for i, e := range s.Blocks[0].Entries {
		if e.Ours && i < 40 {
			events = append(events, ledger.Event{Event: "block", Outcome: ledger.Success, Time: e.Mark.Since, Target: "SVC1/edgewarden_1/" + e.Prefix.String(),
				Detail: map[string]string{"prefix": e.Prefix.String(), "reason": fmt.Sprintf("Rule %s: %d requests, at most %d a minute, %d of them failed; strike %d, 1h.", e.Mark.Rule, 120+i*37, 40+i, 90+i, e.Mark.Strikes)}})
		}
	}
	return events
}

// offender is the i-th of a busy run.
func offender(i int) detect.Offender {
	counts := make([]int64, 15)
	var total, peak int64
	for m := range counts {
		n := int64(math.Max(0, float64(40+i*13)*math.Exp(-math.Pow(float64(m-9-i%6), 2)/float64(6+i))+float64((m*7+i)%5)))
		counts[m] = n
		total, peak = total+n, max(peak, n)
	}
	key := fmt.Sprintf("203.0.113.%d", 9+i)
	return detect.Offender{Key: key, Group: detect.ByAddress, Rule: []string{"login-bruteforce", "flood"}[i%2],
		Measures: detect.Measures{Requests: total, PeakPerMinute: peak, OK: total / 10, Errors: total - total/10, DistinctPaths: int64(3 + i), Share: float64(total) / 90_000, Score: 4.25 + float64(i), Addresses: 1, OKAddresses: 1, JA4s: 1,
			FirstSeen: Now.Add(-14 * time.Minute), LastSeen: Now.Add(-20 * time.Second)},
		Evidence: &detect.Evidence{Country: "NZ", ASN: 64500 + int64(i), Paths: []detect.Count{{Value: "/login", N: total - 9}, {Value: "/account/reset", N: 9}},
			Agents: []detect.Count{{Value: "python-requests/2.32", N: total}}, Statuses: []detect.Count{{Value: "401", N: total - 20}, {Value: "200", N: 20}},
			Sample: []string{"2031-05-06T07:29:40.000001Z POST /login 401", "2031-05-06T07:29:39.550000Z POST /login 401"},
			Rate:   detect.Rate{Step: time.Minute, Counts: counts}}}
}

// Health is that of good data.
func Health() detect.Health {
	return detect.Health{Rows: 21_873, Newest: Now.Add(to - 41*time.Second), BytesScanned: 48_300_000, OKRequests: 17_204, OKAddresses: 1_893, LossKnown: true, Loss: 0.0004,
		Trusted: 21_866, TrustedNewest: Now.Add(to - 41*time.Second), NoFirstHop: 7, Shield: 4_001}
}

func base() report.Run {
	return report.Run{ID: "lqk2x9v0a1b2", Now: Now, To: Now.Add(to), Period: 5 * time.Minute, Flags: []string{"--config edgewarden.yaml"},
		Services: []report.Service{{ID: "SVC1", Name: "shop", Window: 15 * time.Minute, Actions: map[string]policy.Action{"login-bruteforce": {Floor: 60}, "flood": {Floor: 300}}, Capacity: 1000}}}
}

// Quiet is a run in which nothing happened, at an edge without entries.
func Quiet() report.Run {
	r := base()
	s := &r.Services[0]
	s.Snapshot = snapshot(0)
	s.Found = detect.Result{Health: Health()}
	s.Plan = &acl.Plan{Run: r.ID, Now: Now, Verdict: acl.Verdict{Verdict: acl.VerdictPass, Limits: limits()}}
	s.Applied = &acl.Result{After: s.Snapshot}
	s.LeaseUntil = Now.Add(24 * time.Hour)
	return r
}

// Busy is a dry run with n blocks at the edge and a dozen offenders.
func Busy(n int) report.Run {
	r := base()
	r.DryRun = true
	s := &r.Services[0]
	s.Snapshot = snapshot(n)
	s.Past = past(s.Snapshot)
	s.Found = detect.Result{Health: Health(), Heartbeats: []detect.Heartbeat{{Spool: "5f1c09aa7d3e21b4", Time: Now.Add(-50 * time.Second), Received: 1_203_441, Dropped: map[string]int64{"auth": 12},
		Sinks: []detect.SinkCount{{Sink: "lake", Recovered: 0, Shipped: 1_203_102, DeadLettered: 3, Queued: 324}, {Sink: "cloud-logging", Shipped: 1_190_000, DeadLettered: 3, Queued: 13_400}}}}}
	s.Plan = &acl.Plan{Run: r.ID, Now: Now, Verdict: acl.Verdict{Verdict: acl.VerdictWarn, Limits: limits()}}
	s.Plan.Verdict.Limits[5] = acl.Check{Name: acl.LimitLoss, Value: 0.071, Limit: 0.05, Note: "blocks by share and score would be refused"}
	for i := range 12 {
		s.Found.Offenders = append(s.Found.Offenders, offender(i))
	}
	for i := range s.Found.Offenders {
		o := &s.Found.Offenders[i]
		p := netip.MustParsePrefix(o.Key + "/32")
		d := policy.Decision{Verb: policy.VerbBlock, Kind: policy.KindBlock, Key: o.Key, Prefix: p, Rule: o.Rule, Until: Now.Add(time.Hour), Since: Now, Strikes: 1 + i%2, Offender: o,
			Reason: fmt.Sprintf("Rule %s: %d requests, at most %d a minute, %d of them failed; strike %d, 1h.", o.Rule, o.Measures.Requests, o.Measures.PeakPerMinute, o.Measures.Errors, 1+i%2)}
		switch {
		case i < 2:
			d.Verb, d.Code, d.Reason = policy.VerbRefuse, policy.CodeAllowlisted, "It overlaps 203.0.113.8/30 on the allowlist (office, until 2031-06-01)."
			s.Plan.Refusals = append(s.Plan.Refusals, d)
		case i == 2:
			d.Verb, d.Code, d.Reason = policy.VerbRefuse, policy.CodeForgeable, "The address is from a header that a client can forge; trust: {allow: [forgeable_address]} lifts it."
			o.Trust.Forgeable = true
			s.Plan.Refusals = append(s.Plan.Refusals, d)
		default:
			s.Plan.Changes = append(s.Plan.Changes, acl.Change{Op: acl.Create, ACL: "edgewarden_1", Prefix: p, Decision: &d, Reason: d.Reason,
				Mark: acl.Mark{Owner: "edgewarden", Kind: policy.KindBlock, Rule: o.Rule, Since: Now, Until: d.Until, Strikes: d.Strikes, Run: r.ID}})
		}
	}
	for i, e := range s.Snapshot.Blocks[0].Entries {
		if e.Ours && i < 3 {
			s.Plan.Changes = append(s.Plan.Changes, acl.Change{Op: acl.Delete, ACL: e.ACL, Prefix: e.Prefix, EntryID: e.ID, Mark: e.Mark, Code: policy.CodeExpired, Reason: "The block has expired."})
		}
		if e.Ours && i >= 3 && i < 8 {
			a := detect.After{Present: detect.Present{Key: policy.Key(e.Prefix), Rule: e.Mark.Rule, From: Now.Add(-10 * time.Minute)}, Requests: 812, Refused: 812}
			if i == 5 {
				a.Passed, a.Refused = 31, 781
			}
			s.Found.After = append(s.Found.After, a)
		}
	}
	s.Snapshot.Exempt.Entries = append(s.Snapshot.Exempt.Entries, entry("edgewarden_exempt", policy.KindExempt, netip.MustParsePrefix("203.0.113.200/32"), "manual", 1, 20*time.Hour))
	s.Snapshot.Shadow.Entries = append(s.Snapshot.Shadow.Entries, entry("edgewarden_shadow", policy.KindShadow, netip.MustParsePrefix("203.0.113.201/32"), "scanner", 2, 30*time.Minute))
	s.Alerts = []string{policy.Key(Address(5)) + " is blocked (rule scanner) but 31 requests passed since 2031-05-06T07:20:00Z"}
	s.Floods = []report.Flood{{Text: "rule flood: 48,201 requests in 10m, 6.3 times the usual, from 3,114 addresses; no address stands out", Clusters: []string{"ja4 t13d1516h2_8daaf6152771: 81 % of the requests, 2,870 addresses", "path GET /search: 77 % of the requests"}, Advice: "Blocking addresses would stop little: limit the rate of GET /search at the edge."}}
	s.State = "data: 41s behind, 0.04 % lost"
	s.Notes = []string{fmt.Sprintf("%d of 3998 places taken, +1.5 a day: not filling", n)}
	return r
}

// Wrote is Busy carried out.
func Wrote(n int) report.Run {
	r := Busy(n)
	r.DryRun = false
	s := &r.Services[0]
	after := snapshot(n)
	after.Blocks[0].Entries = after.Blocks[0].Entries[3:] // what was released
	for i, c := range s.Plan.Changes {
		if c.Op == acl.Create {
			after.Blocks[0].Entries = append(after.Blocks[0].Entries, acl.Entry{ID: "n" + strconv.Itoa(i), ACL: c.ACL, Prefix: c.Prefix, Ours: true, Mark: c.Mark, Comment: c.Mark.String()})
		}
	}
	s.Applied = &acl.Result{Created: 9, Deleted: 3, After: after}
	s.LeaseUntil = Now.Add(24 * time.Hour)
	return r
}

// One is a run with a single block.
func One() report.Run {
	r := Quiet()
	s := &r.Services[0]
	s.Snapshot = snapshot(1)
	s.Applied = &acl.Result{After: s.Snapshot}
	return r
}

// Status is what the status command knows.
func Status(n int) report.Run {
	r := base()
	r.ID = ""
	r.Services[0].Snapshot = snapshot(n)
	return r
}

// Failed is a run of two services of which one could not be read.
func Failed() report.Run {
	r := Busy(5)
	other := report.Service{ID: "SVC2", Name: "api", Error: "reading the present entries: listing ACL entries page 3: 503 Service Unavailable"}
	r.Services = append(r.Services, other)
	r.Services[0].Refused = "stopped by alice at 2031-05-06T06:00:00Z: nothing is blocked and the lease does not move"
	r.Services[0].Snapshot.Stopped = "1936245600 alice"
	r.Services[0].Plan.Verdict.Verdict = acl.VerdictRefused
	return r
}

// Planted are texts a stranger, or a colleague, may get into a page.
var Planted = []string{
	`</script><img src=x onerror=alert(1)>`, `"><svg onload=alert(2)>`, `'onmouseover='alert(3)`, "\x1b[31mred\x1b]0;title\x07", "\u202egnp.exe\u2066", "a\u200bb\ufeff",
	"</style><style>*{display:none}</style>", "{{.Script}}", "javascript:alert(4)", "<!--", "]]>", "\xff\xfe\x00", "line\r\nbreak\u2028", "&lt;b&gt;", "`${alert(5)}`",
}

// Hostile is a run in which every text that can come from outside is planted.
func Hostile() report.Run {
	r := Wrote(12)
	s := &r.Services[0]
	n := 0
	evil := func() string { n++; return fmt.Sprintf("%s·%d", Planted[n%len(Planted)], n) }
	long := func() string {
		t := evil()
		for len(t) < 20_000 {
			t += "/" + evil()
		}
		return t
	}
	s.State, s.Floods = evil(), []report.Flood{{Text: evil(), Clusters: []string{evil(), long()}, Advice: evil()}}
	r.Flags = []string{evil(), evil()}
	s.Name, s.Error, s.Refused, s.LedgerError = evil(), evil(), evil(), evil()
	for range len(Planted) {
		s.Alerts, s.Notes, s.Unreviewed = append(s.Alerts, evil()), append(s.Notes, long()), append(s.Unreviewed, evil())
		s.Plan.Problems = append(s.Plan.Problems, evil())
	}
	for i := range s.Found.Offenders {
		o := &s.Found.Offenders[i]
		o.Key, o.Group, o.Rule = evil(), detect.ByJA4, evil()
		e := o.Evidence
		e.Country, e.Classes = evil(), []detect.ClassCount{{Class: evil(), Weight: 20, N: 3}}
		e.Paths = []detect.Count{{Value: evil(), N: 3}, {Value: long(), N: 2}, {Value: "", N: 1}}
		e.Agents, e.Statuses, e.Sample = []detect.Count{{Value: long(), N: 9}}, []detect.Count{{Value: evil(), N: 9}}, []string{evil(), long()}
	}
	for i := range s.Plan.Changes {
		c := &s.Plan.Changes[i]
		c.ACL, c.Reason, c.Code, c.Mark.Rule = evil(), long(), evil(), evil()
	}
	for i := range s.Plan.Refusals {
		d := &s.Plan.Refusals[i]
		d.Key, d.Code, d.Reason, d.Rule = evil(), evil(), long(), evil()
	}
	for i := range s.Plan.Verdict.Limits {
		s.Plan.Verdict.Limits[i].Note = evil()
	}
	s.Plan.Verdict.Limits[0].Name, s.Plan.Verdict.Verdict = evil(), evil()
	for _, l := range []*acl.List{&s.Applied.After.Blocks[0], &s.Applied.After.Exempt, &s.Applied.After.Shadow} {
		l.Name = evil()
		for i := range l.Entries {
			l.Entries[i].Comment, l.Entries[i].Mark.Rule, l.Entries[i].Mark.Run = evil(), evil(), evil()
		}
	}
	s.Applied.After.Blocks[0].Entries[1].MarkErr = errors.New(evil())
	s.Applied.After.Stopped = evil()
	for i := range s.Past {
		e := &s.Past[i]
		e.Run, e.Outcome = evil(), evil()
		for k := range e.Detail {
			if k == "error" || k == "guard" || k == "reason" {
				e.Detail[k] = evil()
			}
		}
	}
	s.Found.Heartbeats = []detect.Heartbeat{{Spool: evil(), Received: 1, Dropped: map[string]int64{evil(): 7}, Sinks: []detect.SinkCount{{Sink: evil()}}}}
	return r
}

func limits() []acl.Check {
	return []acl.Check{
		{Name: acl.LimitClockSkew, Value: 0.4, Limit: 120, Passed: true}, {Name: acl.LimitAhead, Value: 0, Limit: 0.01, Passed: true},
		{Name: acl.LimitNoData, Value: 21_866, Limit: 1, Passed: true}, {Name: acl.LimitStale, Value: 41, Limit: 600, Passed: true}, {Name: acl.LimitNoAddress, Value: 0, Limit: 0.05, Passed: true},
		{Name: acl.LimitLoss, Value: 0.0004, Limit: 0.05, Passed: true}, {Name: acl.LimitVolume, Value: 21_866, Limit: 6_020, Passed: true, Note: "usual: 12040"},
		{Name: acl.LimitNeverBlock, Passed: true}, {Name: acl.LimitAllowlisted, Passed: true}, {Name: acl.LimitWidth, Passed: true},
		{Name: acl.LimitCollateral, Value: 2, Limit: 18.93, Passed: true, Note: "of 1893 successful addresses; 9 of 17204 successful requests"},
		{Name: acl.LimitNewBlocks, Value: 9, Limit: 100, Passed: true}, {Name: acl.LimitAllowReleases, Value: 0, Limit: 23.6, Passed: true},
	}
}
