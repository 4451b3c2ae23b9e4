package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// offenderRow is one offender with what is known of it.
type offenderRow struct {
	Key, Prefix   string
	Group, Rule   string
	Requests      string
	RequestsN     int64
	Floor         string // "70 errors, at least 60", see floorText
	Weight        string // "" of a rule that does not weigh
	Peak          int64
	OK, Errors    string
	Share, Score  string
	Paths         int64 // different ones
	Addresses     int64
	JA4s          int64
	InAll         string // requests of the key whatever the rule's where; empty when that is what the rule counted
	First, Last   stamp
	Origin        string
	Untrusted     string
	Outcome       string
	OutcomeKind   string // block, refused, kept, none: a class of the style
	Reason        string
	Curve         *curve
	Detailed      bool
	TopPaths      []countRow
	Agents        []countRow
	Statuses      []countRow
	Classes       []countRow // what makes the weight
	Sample        []string
	before, after int64 // requests of the period before, and of the last
}

type countRow struct{ Value, N string }

// moverRow is an offender whose rate changes.
type moverRow struct {
	Key, Prefix, Rule string
	Before, Now       string
	Change            string
	Up                bool
	by                int64
}

// outcome is what became of an offender.
type outcome struct{ text, kind, reason string }

// outcomes are the plan's answers by key and rule, and by key alone.
func (s Service) outcomes(now time.Time) map[string]outcome {
	all := map[string]outcome{}
	if s.Plan == nil {
		return all
	}
	put := func(d policy.Decision, o outcome) {
		for _, rule := range append([]string{d.Rule}, d.Rules...) {
			if id := d.Key + "\x00" + rule; all[id].text == "" {
				all[id] = o
			}
		}
	}
	verbs := map[string]string{"block": "blocked", "shadow": "shadow entry", "extend": "extended", "exempt": "exempted", "allow": "allowed"}
	if s.Applied == nil {
		verbs = map[string]string{"block": "to block", "shadow": "to the shadow ACL", "extend": "to extend", "exempt": "to exempt", "allow": "to allow"}
	}
	for _, c := range s.Plan.Changes {
		if c.Decision == nil || c.Op == acl.Delete {
			continue
		}
		put(*c.Decision, outcome{verbs[verb(c)] + " until " + at(c.Mark.Until, now, "further notice").Text, "block", c.Reason})
	}
	for _, d := range s.Plan.Kept {
		put(d, outcome{"stays until " + at(d.Until, now, "further notice").Text, "kept", d.Reason})
	}
	for _, d := range s.Plan.NoRoom {
		put(d, outcome{"no room", "refused", d.Reason})
	}
	for _, d := range s.Plan.Refusals {
		put(d, outcome{"refused: " + short(d.Code), "refused", d.Reason})
	}
	return all
}

// offenders are those that were found, most requests first.
func (s Service) offenders(r Run) []offenderRow {
	outcomes := s.outcomes(r.Now)
	since := map[string]time.Time{}
	if s.Snapshot != nil {
		for _, b := range s.Snapshot.Present() {
			if b.Kind == policy.KindBlock {
				since[policy.Key(b.Prefix)] = b.Since
			}
		}
	}
	rows := make([]offenderRow, 0, len(s.Found.Offenders))
	for _, o := range s.Found.Offenders {
		row := offenderOf(o, r.Now)
		if a := s.Actions[o.Rule]; a.Floor > 0 {
			row.Floor = floorText(a, o.Measures)
		}
		out, decided := outcomes[o.Key+"\x00"+o.Rule]
		if decided {
			row.Outcome, row.OutcomeKind, row.Reason = out.text, out.kind, long(out.reason)
		} else {
			row.Outcome, row.OutcomeKind = "no decision", "none"
		}
		if o.Evidence != nil {
			row.Curve = offenderCurve(o.Evidence.Rate, r.To, since[o.Key], r.Now, out.kind == "block")
			row.before, row.after = lastTwo(o.Evidence.Rate, r.Period)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b offenderRow) int { return cmp.Compare(b.RequestsN, a.RequestsN) })
	return rows
}

// floorText is what the rule asks for at least, beside how much of it the offender has where that is not the number of
// requests: "a weight of 4,000, at least 3,000".
func floorText(a policy.Action, m detect.Measures) string {
	if of := a.Bounded(); of != "requests" {
		return a.Amount(number(m.Count(of))) + ", at least " + number(a.Floor)
	}
	return "at least " + number(a.Floor)
}

func offenderOf(o detect.Offender, now time.Time) offenderRow {
	m := o.Measures
	row := offenderRow{
		Key: log(o.Key), Group: string(o.Group), Rule: short(o.Rule), Requests: number(m.Requests), RequestsN: m.Requests, Peak: m.PeakPerMinute,
		OK: number(m.OK), Errors: number(m.Errors), Share: percent(m.Share), Score: strings.TrimSuffix(fmt.Sprintf("%.1f", m.Score), ".0"),
		Paths: m.DistinctPaths, Addresses: m.Addresses, JA4s: m.JA4s, First: at(m.FirstSeen, now, "unknown"), Last: at(m.LastSeen, now, "unknown"),
	}
	if all := m.Whole; all.Requests > m.Requests {
		row.InAll = fmt.Sprintf("%s requests, %s successful", number(all.Requests), number(all.OK))
	}
	if p, err := policy.ParseKey(o.Key); err == nil {
		row.Prefix = p.String()
	}
	var untrusted []string
	if o.Trust.Forgeable {
		untrusted = append(untrusted, "the address can be forged")
	}
	if o.Trust.Unauthenticated {
		untrusted = append(untrusted, "the sender is not authenticated")
	}
	row.Untrusted = strings.Join(untrusted, ", ")
	if m.Weighed {
		row.Weight = number(m.Weight)
	}
	e := o.Evidence
	if e == nil {
		return row
	}
	row.Detailed = true
	row.Origin = short(e.Country)
	if e.ASN != 0 {
		row.Origin = strings.TrimSpace(fmt.Sprintf("%s AS%d", row.Origin, e.ASN))
	}
	row.Classes = classRows(e.Classes)
	row.TopPaths, row.Agents, row.Statuses = countRows(e.Paths), countRows(e.Agents), countRows(e.Statuses)
	for _, line := range e.Sample {
		row.Sample = append(row.Sample, log(line))
	}
	return row
}

// classRows are the classes that make a weight: "login, 20 each".
func classRows(classes []detect.ClassCount) []countRow {
	var rows []countRow
	for _, c := range classes {
		rows = append(rows, countRow{fmt.Sprintf("%s, %d each", cmp.Or(short(c.Class), "no class"), c.Weight), number(c.N)})
	}
	return rows
}

func countRows(counts []detect.Count) []countRow {
	var rows []countRow
	for _, c := range counts {
		v := log(c.Value)
		if v == "" {
			v = "(none)"
		}
		rows = append(rows, countRow{v, number(c.N)})
	}
	return rows
}

// lastTwo counts the requests of the last period and of the one before. A curve that does not reach so far has none.
func lastTwo(r detect.Rate, period time.Duration) (before, now int64) {
	if r.Step <= 0 || period <= 0 {
		return 0, 0
	}
	n := int(max(1, period/r.Step))
	if len(r.Counts) < 2*n {
		return 0, 0
	}
	end := len(r.Counts)
	for i := range n {
		now += r.Counts[end-1-i]
		before += r.Counts[end-1-n-i]
	}
	return before, now
}

// mostMovers is how many movers are shown.
const mostMovers = 8

// movers are the offenders whose rate changed most between the last two periods, each address once.
func movers(rows []offenderRow) []moverRow {
	var out []moverRow
	seen := map[string]bool{}
	for _, o := range rows {
		by := o.after - o.before
		if by == 0 || seen[o.Key] {
			continue
		}
		seen[o.Key] = true
		out = append(out, moverRow{Key: o.Key, Prefix: o.Prefix, Rule: o.Rule, Before: number(o.before), Now: number(o.after), Change: signed(by), Up: by > 0, by: max(by, -by)})
	}
	slices.SortStableFunc(out, func(a, b moverRow) int { return cmp.Compare(b.by, a.by) })
	return out[:min(len(out), mostMovers)]
}
