package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// measure asks the store what a run would ask it, and about the subject besides, so that share, score and baselines are those
// against everybody, and every refusal is the run's.
func (c *cycle) measure(ctx context.Context, s subject, snapshot *acl.Snapshot, past []ledger.Event, doc *explanation) error {
	query := c.question(s.svc, snapshot.Present(), past)
	whole, ours := query.Set.Rules(), query.Present
	for _, r := range whole {
		key, why := keyOf(r.Group, s.prefix)
		if why != "" {
			continue
		}
		if about := (detect.Keyed{Group: r.Group, Key: key}); !slices.Contains(query.About, about) {
			query.About = append(query.About, about)
		}
		// An entry of somebody else, or by hand, or of another rule refuses as well; a run asks only about the rules' own.
		query.Present = append(query.Present, detect.Present{Key: key, Rule: r.Name, From: c.to.Add(-r.Window)})
	}
	sr := &serviceReport{Service: s.svc, To: c.to, Actions: c.compiled[s.svc.ID].actions, past: past}
	done := c.meter(sr)
	var err error
	if sr.Found, query, err = c.detect(ctx, sr, query); err != nil {
		err = fmt.Errorf("asking the log store%s: %w", ofService(s.svc.ID), err)
		doc.Missing["rules"] = err.Error()
		return err
	}
	wholesErr := c.countWholes(ctx, sr, query, &sr.Found)
	if wholesErr != nil {
		doc.Missing["in_all"] = wholesErr.Error()
	}
	evidenceErr := c.engine.Evidence(ctx, query, sr.Found.Asked)
	done()
	doc.Unjudged, doc.Estimated, doc.Billed = sr.Unjudged, sr.Cost.Estimated, sr.Cost.Billed
	c.verifyCrawlers(ctx, met(query.Set, sr.Found.Asked))
	sr.UsualRows = ledger.Baseline(ledger.Summaries(past), s.svc.ID, sr.Window)
	sr.Plan = c.judge(sr, snapshot, true)
	switch {
	case len(snapshot.Covering(s.prefix)) > 0: // blocked it is, whatever the next run may do
	case snapshot.Stopped != "":
		sr.Refused = stopped(snapshot)
	default:
		sr.Refused = notSetUp(snapshot)
		if sr.Refused == "" {
			doc.Next = nextOf(sr.Plan, s.prefix)
		}
	}
	for _, r := range whole {
		rows, err := c.ruleRows(s, r, query.Set, sr, ours)
		if err != nil {
			return err
		}
		doc.Rules = append(doc.Rules, rows...)
	}
	if evidenceErr != nil {
		evidenceErr = fmt.Errorf("fetching evidence%s: %w", ofService(s.svc.ID), evidenceErr)
		doc.Missing["evidence"] = evidenceErr.Error()
	}
	return errors.Join(wholesErr, evidenceErr)
}

// nextOf says what a run would do now with a prefix that is not blocked; "" for nothing.
func nextOf(plan *acl.Plan, prefix netip.Prefix) string {
	for _, c := range plan.Changes {
		if c.Op != acl.Create || c.Prefix.Bits() > prefix.Bits() || !c.Prefix.Contains(prefix.Addr()) {
			continue
		}
		until := fmt.Sprintf(" until %s: rule %s", c.Mark.Until.UTC().Format(time.RFC3339), c.Mark.Rule)
		switch c.Mark.Kind {
		case policy.KindBlock:
			return "a run would block " + c.Prefix.String() + " now," + until
		case policy.KindShadow:
			return "a run would put " + c.Prefix.String() + " into the shadow ACL now, which blocks nobody," + until
		}
	}
	return ""
}

// met are the offenders among what was asked about.
func met(set *detect.Set, asked []detect.Offender) (out []detect.Offender) {
	for _, o := range asked {
		if ok, err := set.Met(o.Rule, o.Measures); err == nil && ok {
			out = append(out, o)
		}
	}
	return out
}

// ruleRows is what one rule makes of the subject: a row for each class of trust that it counted, or one that says why there is
// none. judged are the rules that the store was asked about, ours what the run asks of present blocks.
func (c *cycle) ruleRows(s subject, r detect.Rule, judged *detect.Set, sr *serviceReport, ours []detect.Present) (out []ruleExplanation, err error) {
	action := sr.Actions[r.Name]
	x := ruleExplanation{Rule: r.Name, When: r.When, Window: short(r.Window), Enforce: action.Enforce, Floor: action.Floor, FloorOf: action.Bounded()}
	x.Key, x.Note = keyOf(r.Group, s.prefix)
	if x.Note == "" && sr.Unjudged != nil && slices.Contains(sr.Unjudged.Rules, r.Name) {
		x.Note = "not judged: only windows of up to " + sr.Unjudged.Window + " were looked at"
	}
	x.AtEdge = atEdge(sr.Found.After, x.Key, r.Name, ours)
	for _, o := range sr.Found.Asked {
		if o.Rule != r.Name {
			continue
		}
		one := x
		x.AtEdge = nil // said once
		doc := offenderDoc(s.svc.ID, o)
		one.Measure, one.Trust = &doc.Evidence, doc.Trust
		if one.Met, err = judged.Met(r.Name, o.Measures); err != nil {
			return nil, err
		}
		if one.Margins, err = margins(judged, r.Name, o.Measures); err != nil {
			return nil, err
		}
		if one.Met {
			one.Refused = cmp.Or(refusalOf(sr.Plan, o), sr.Refused)
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		out = append(out, x)
	}
	return out, nil
}

// refusalOf is the sentence with which a run refuses to block an offender; "" when it does not. What policy refuses names the
// offender; what the guard refuses, or finds no room, names the worst of its prefix and the rules of all.
func refusalOf(plan *acl.Plan, o detect.Offender) string {
	all := slices.Concat(plan.Refusals, plan.NoRoom)
	for _, d := range all {
		if d.Offender != nil && d.Offender.Key == o.Key && d.Offender.Rule == o.Rule && d.Offender.Trust == o.Trust {
			return d.Reason
		}
	}
	for _, d := range all {
		if d.Offender != nil && d.Offender.Key == o.Key && d.Offender.Rule != o.Rule && d.Offender.Trust == o.Trust && slices.Contains(d.Rules, o.Rule) {
			return d.Reason
		}
	}
	return ""
}

// atEdge is what the edge did with the requests of a key that a rule looks at, nil when it refused none.
func atEdge(after []detect.After, key, rule string, ours []detect.Present) *edgeCount {
	var n *edgeCount
	for _, a := range after {
		if a.Key != key || a.Rule != rule || a.Refused == 0 {
			continue
		}
		if n == nil { // all answers about one key and rule count from the latest time that was asked for
			n = &edgeCount{Refused: a.Refused, Passed: a.Passed, LastSeen: a.LastSeen}
		}
		if a.From.After(n.From) {
			n.From = a.From
		}
	}
	if n != nil {
		n.byRule = slices.ContainsFunc(ours, func(p detect.Present) bool { return p.Key == key && p.Rule == rule })
	}
	return n
}

func margins(set *detect.Set, rule string, m detect.Measures) (out []margin, err error) {
	all, err := set.Margins(rule, m)
	for _, m := range all {
		one := margin{Measure: m.Measure, Operator: m.Operator, Threshold: m.Threshold, Times: m.Times(), Met: m.Met}
		if m.Known {
			one.Value = &m.Value
		}
		out = append(out, one)
	}
	return out, err
}

// keyOf is what a group counts an address or prefix by, or why it cannot be told of it.
func keyOf(group detect.Group, prefix netip.Prefix) (key, why string) {
	one, wide := 32, 24
	if prefix.Addr().Is6() {
		one, wide = 64, 56
	}
	bits := one
	switch group {
	case detect.ByAddress:
		if prefix.Bits() < one {
			return "", "this rule counts single addresses; name one"
		}
	case detect.ByPrefix:
		if bits = wide; prefix.Bits() < wide {
			return "", fmt.Sprintf("this rule counts prefixes of /%d; name one", wide)
		}
	default:
		return "", "groups by " + string(group) + ": reported, never blocked; not measured here"
	}
	counted, err := prefix.Addr().Prefix(bits)
	if err != nil {
		return "", err.Error()
	}
	return policy.Key(counted), ""
}
