package main

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/plain"
	"edgewarden/internal/terminal"
)

// listed names the lists an address is on.
func (c *cycle) listed(prefix netip.Prefix) []string {
	out := []string{}
	if e, ok := c.known.Never.Overlaps(prefix, c.now); ok {
		out = append(out, fmt.Sprintf("%s: %s, %s: never blocked", e.List, e.Prefix, e.Reason))
	}
	if e, ok := c.known.Allow.Overlaps(prefix, c.now); ok {
		out = append(out, fmt.Sprintf("allowlist: %s, %s", e.Prefix, e.Reason))
	}
	if e, ok := c.known.Crawlers.Overlaps(prefix, c.now); ok {
		out = append(out, fmt.Sprintf("verified crawler: %s, %s", e.Prefix, e.Reason))
	}
	return out
}

// entriesAbout names the entries at the edge that bear on an address, ours and others'.
func entriesAbout(s *acl.Snapshot, prefix netip.Prefix, now time.Time) []string {
	out := []string{}
	for _, e := range s.Covering(prefix) {
		out = append(out, fmt.Sprintf("blocked by %s in %s%s", e.Prefix, e.ACL, markText(e, now)))
	}
	for _, l := range []acl.List{s.Exempt, s.Shadow} {
		for _, e := range l.Entries {
			if e.Prefix.IsValid() && e.Prefix.Overlaps(prefix) {
				out = append(out, fmt.Sprintf("%s in %s%s", e.Prefix, e.ACL, markText(e, now)))
			}
		}
	}
	return out
}

// history tells what the ledger knows of an address.
func history(events []ledger.Event, service string, prefix netip.Prefix) []string {
	out := []string{}
	for _, e := range ledger.ForService(events, service) {
		if about(e, prefix.Addr()) {
			out = append(out, fmt.Sprintf("%s %s %s by %s: %s", e.Time.Format(time.RFC3339), e.Event, e.Outcome, e.Actor, e.Detail["reason"]))
		}
	}
	return out
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

// text prints an explanation for people.
func (d explanation) text(b *strings.Builder, v view) {
	fmt.Fprintf(b, "%s%s, at %s\n", d.Address, ofService(d.ServiceID), d.To.Format(time.RFC3339))
	v.say(b, terminal.Strong, "", d.Verdict)
	if d.Undo != "" {
		fmt.Fprintf(b, "undo: %s\n", d.Undo)
	}
	for _, r := range d.Rules {
		mode := "shadow"
		if r.Enforce {
			mode = "enforce"
		}
		fmt.Fprintf(b, "  rule %s (%s, %s): %s\n", r.Rule, r.Window, mode, plain.Text(r.When, 0))
		switch m := r.Measure; {
		case m == nil:
			fmt.Fprintf(b, "    not met: no request of it matches\n")
		default:
			verdict := "NOT met"
			if r.Met {
				verdict = "MET"
			}
			counted := fmt.Sprintf("%d requests (at least %d %s are asked for)", m.Requests, r.Floor, r.FloorOf)
			switch r.FloorOf {
			case "requests":
				counted = fmt.Sprintf("%d of at least %d requests", m.Requests, r.Floor)
			case "weight":
				counted = fmt.Sprintf("%d requests (a weight of at least %d is asked for)", m.Requests, r.Floor)
			}
			if m.Weight != nil {
				counted += fmt.Sprintf(", weight %d", *m.Weight)
			}
			fmt.Fprintf(b, "    %s: %s, peak %d a minute, %d ok, %d errors, %d paths, last at %s\n",
				verdict, counted, m.PeakPerMinute, m.OK, m.Errors, m.DistinctPaths, m.LastSeen.Format(time.RFC3339))
			for _, m := range r.Margins {
				fmt.Fprintf(b, "      %s\n", m.text())
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
		if r.Note != "" {
			fmt.Fprintf(b, "    %s\n", r.Note)
		}
	}
	for _, part := range []struct {
		title string
		lines []string
	}{{"lists", d.Lists}, {"at the edge", d.Entries}, {"ledger", d.History}} {
		if len(part.lines) == 0 {
			fmt.Fprintf(b, "  %s: nothing\n", part.title)
		}
		for _, line := range part.lines {
			fmt.Fprintf(b, "%s\n", strings.Replace(v.screen.Wrap(4, part.title+": "+plain.Text(line, 0)), "    ", "  ", 1))
		}
	}
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
