package main

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/plain"
	"edgewarden/internal/terminal"
)

// text prints an explanation for people: what is asked first at night stands first.
func (d explanation) text(b *strings.Builder, v view) {
	if d.Request != nil {
		v.say(b, "", "", d.Request.text(d.Address))
	}
	fmt.Fprintf(b, "%s%s, at %s\n", d.Address, ofService(d.ServiceID), d.To.Format(time.RFC3339))
	v.say(b, terminal.Strong, "", d.Verdict)
	if d.Next != "" {
		v.say(b, "", "", d.Next)
	}
	if d.Undo != "" {
		fmt.Fprintf(b, "undo: %s\n", d.Undo)
	}
	if d.Unjudged != nil {
		v.say(b, terminal.Alarm, "", d.Unjudged.alert())
	}
	if d.Estimated != nil && d.Billed != nil {
		fmt.Fprintf(b, "%s estimated before, %s billed\n", bytesText(*d.Estimated), bytesText(*d.Billed))
	}
	for _, r := range d.Rules {
		r.text(b, d.Address)
	}
	for _, part := range []string{"rules", "in_all", "evidence"} {
		if why := d.Missing[part]; why != "" {
			d.line(b, v, strings.Replace(part, "_", " ", 1), "not known: "+why)
		}
	}
	for _, part := range []struct {
		title, missing string
		lines          []string
	}{{"lists", d.Missing["lists"], d.Lists}, {"at the edge", d.Missing["edge"], d.Entries}, {"ledger", d.Missing["ledger"], d.History}} {
		if len(part.lines) == 0 && part.missing == "" {
			fmt.Fprintf(b, "  %s: nothing\n", part.title)
		}
		shown := part.lines
		if max := v.max(); max > 0 && len(shown) > max {
			shown = shown[:max]
		}
		for _, line := range shown {
			d.line(b, v, part.title, line)
		}
		if more := len(part.lines) - len(shown); more > 0 {
			fmt.Fprintf(b, "  %s: %d more: --all or --json\n", part.title, more)
		}
		switch {
		case part.missing == "":
		case part.title == "lists": // the last good copy of each is known
			d.line(b, v, part.title, "not known in full: "+part.missing)
		default:
			d.line(b, v, part.title, "not known: "+part.missing)
		}
	}
}

// line prints one line of a part.
func (explanation) line(b *strings.Builder, v view, title, text string) {
	fmt.Fprintf(b, "%s\n", strings.Replace(v.screen.Wrap(4, title+": "+plain.Text(text, 0)), "    ", "  ", 1))
}

// text prints one rule.
func (r ruleExplanation) text(b *strings.Builder, address string) {
	mode := "shadow"
	if r.Enforce {
		mode = "enforce"
	}
	fmt.Fprintf(b, "  rule %s (%s, %s): %s\n", r.Rule, r.Window, mode, plain.Text(r.When, 0))
	of := ""
	if r.Key != "" && r.Key != address {
		of = "of " + r.Key + ": "
	}
	switch {
	case r.Measure != nil:
		r.measured(b, of)
	case r.Note != "":
		fmt.Fprintf(b, "    %s\n", r.Note)
	default:
		fmt.Fprintf(b, "    %snot met: no request of it that was let through matches\n", of)
	}
	if e := r.AtEdge; e != nil {
		did := "the edge refused %d requests"
		if e.byRule {
			did = "still hammers: %d requests refused"
		}
		fmt.Fprintf(b, "    "+did+" and let %d through since %s, last at %s\n", e.Refused, e.Passed, e.From.Format(time.RFC3339), e.LastSeen.Format(time.RFC3339))
	}
}

// measured prints what a rule measured, beside what it asks for.
func (r ruleExplanation) measured(b *strings.Builder, of string) {
	m := r.Measure
	verdict := "NOT met"
	if r.Met {
		verdict = "MET"
	}
	sent := fmt.Sprintf("%d requests (at least %d %s are asked for)", m.Requests, r.Floor, r.FloorOf)
	switch {
	case r.Floor <= 1:
		sent = counted(m.Requests, "request")
	case r.FloorOf == "requests":
		sent = fmt.Sprintf("%d of at least %d requests", m.Requests, r.Floor)
	case r.FloorOf == "weight":
		sent = fmt.Sprintf("%d requests (a weight of at least %d is asked for)", m.Requests, r.Floor)
	}
	if m.Weight != nil {
		sent += fmt.Sprintf(", weight %d", *m.Weight)
	}
	fmt.Fprintf(b, "    %s%s: %s, peak %d a minute, %d ok, %d errors, %d paths, last at %s\n",
		of, verdict, sent, m.PeakPerMinute, m.OK, m.Errors, m.DistinctPaths, m.LastSeen.Format(time.RFC3339))
	for _, m := range r.Margins {
		fmt.Fprintf(b, "      %s\n", m.text())
	}
	if all := m.InAll; all != nil && all.Requests > m.Requests {
		fmt.Fprintf(b, "    in all it asked for %d, %d ok, whatever the rule looks at\n", all.Requests, all.OK)
	}
	if r.Refused != "" {
		fmt.Fprintf(b, "    refused: %s\n", plain.Text(r.Refused, 0))
	}
	if len(r.Trust) > 0 {
		fmt.Fprintf(b, "    these rows are not trusted: %s\n", strings.Join(r.Trust, ", "))
	}
	if where := strings.TrimSpace(plain.Text(m.Country, 10) + asnText(m.ASN)); where != "" || len(m.Agents) > 0 {
		agent := ""
		if len(m.Agents) > 0 {
			agent = fmt.Sprintf(" \"%s\" ×%d", plain.Text(m.Agents[0].Value, 60), m.Agents[0].N)
		}
		fmt.Fprintf(b, "    %s\n", strings.TrimSpace(where+agent))
	}
	if len(m.Classes) > 0 {
		fmt.Fprintf(b, "    classes: %s\n", classesText(m.Classes))
	}
	for _, path := range m.Paths {
		fmt.Fprintf(b, "    %s ×%d\n", plain.Text(path.Value, 100), path.N)
	}
}

// text is "requests >= 100: 300, met, 3 times". How many times only a lower bound has: of an upper one fewer is more, and the
// two of an equation have none.
func (m margin) text() string {
	asked := fmt.Sprintf("%s %s %s: ", m.Measure, m.Operator, numberText(m.Threshold))
	if m.Value == nil {
		return asked + "not known, not met"
	}
	s := asked + numberText(*m.Value) + ", met"
	if !m.Met {
		s = asked + numberText(*m.Value) + ", not met"
	}
	switch {
	case m.Operator != ">=" && m.Operator != ">":
	case m.Times >= 10:
		s += fmt.Sprintf(", %.0f times", m.Times)
	case m.Times >= 0.01:
		s += fmt.Sprintf(", %.2g times", m.Times)
	}
	return s
}

// numberText writes a whole number as it is, any other with three digits.
func numberText(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return strconv.FormatInt(int64(x), 10)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// classesText says what made a weight: "login ×300 at 20, none ×12 at 1".
func classesText(classes []detect.ClassCount) string {
	parts := make([]string, len(classes))
	for i, c := range classes {
		parts[i] = fmt.Sprintf("%s ×%d at %d", cmp.Or(c.Class, "none"), c.N, c.Weight)
	}
	return strings.Join(parts, ", ")
}

func asnText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" AS%d", n)
}
