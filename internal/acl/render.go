package acl

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
)

// RenderOptions shape what Render prints.
type RenderOptions struct {
	Max       int              // lines of each kind of change and of refusals; 0 means all
	Threshold map[string]int64 // by rule: the number of requests that its condition asks for, shown beside what was measured
}

// renderer writes into a buffer, so that a plan is printed whole or not at all.
type renderer struct {
	b bytes.Buffer
	p *Plan
	o RenderOptions
}

// Render prints a plan for people: a summary to read aloud, then every change with its reason and one line of evidence.
// Text from the log is made harmless. Its error is the writer's.
//
//	3 changes: 1 block, 1 release, 1 extension; 2 refused, 14 kept
//	+ block    203.0.113.9/32      edgewarden_1  for 1h until 2031-05-06T08:08:09Z  rule login-bruteforce  412 requests (60 make an offender)
//	           412 failed logins in 15m
//	           evidence: peak 90/min, 401 412; /login 412; NZ AS64500; "curl/8.0"
//	~ extend   …
//	- release  …
//	! refused  …
//	= kept     14
func Render(w io.Writer, p *Plan, o RenderOptions) error {
	r := &renderer{p: p, o: o}
	r.summary()
	for _, s := range p.Problems {
		r.line("? problem  %s", plain.Text(s, 400))
	}
	r.limits()
	for _, op := range []Op{Create, Update, Delete} {
		r.changes(op)
	}
	r.refused("! refused ", p.Refusals)
	r.refused("! no room ", p.NoRoom)
	if n := len(p.Kept); n > 0 {
		r.line("= kept     %d", n)
	}
	_, err := w.Write(r.b.Bytes())
	return err
}

func (r *renderer) line(format string, args ...any) {
	r.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// summary is one sentence of numbers.
func (r *renderer) summary() {
	counts := map[string]int{}
	for _, c := range r.p.Changes {
		counts[word(c)]++
	}
	var parts []string
	for _, w := range []string{"block", "shadow", "exempt", "allow", "extend", "release"} {
		if n := counts[w]; n > 0 {
			parts = append(parts, number(n, nouns[w]))
		}
	}
	head := "no changes"
	if n := len(r.p.Changes); n > 0 {
		head = number(n, "change") + ": " + strings.Join(parts, ", ")
	}
	var tail []string
	for _, t := range []struct {
		n    int
		what string
	}{{len(r.p.Refusals), "refused"}, {len(r.p.NoRoom), "without room"}, {len(r.p.Kept), "kept"}} {
		if t.n > 0 {
			tail = append(tail, fmt.Sprintf("%d %s", t.n, t.what))
		}
	}
	if len(tail) > 0 {
		head += "; " + strings.Join(tail, ", ")
	}
	r.line("%s", head)
}

var nouns = map[string]string{"block": "block", "shadow": "shadow entry", "exempt": "exemption", "allow": "allowlist entry", "extend": "extension", "release": "release"}

func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// word is what a change is called.
func word(c Change) string {
	switch {
	case c.Op == Delete:
		return "release"
	case c.Op == Update:
		return "extend"
	}
	return string(c.Mark.Kind)
}

// limits shows those that failed or were lifted.
func (r *renderer) limits() {
	for _, c := range r.p.Verdict.Limits {
		lifted := strings.Contains(c.Note, "lifted")
		if c.Passed && !lifted {
			continue
		}
		state := "failed"
		if lifted {
			state = "lifted"
		}
		note := ""
		if c.Note != "" {
			note = "  " + plain.Text(c.Note, 200)
		}
		r.line("? limit    %s %s: %s, limit %s%s", c.Name, state, figure(c.Value), figure(c.Limit), note)
	}
}

func figure(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", f), "0"), ".")
}

var signs = map[Op]string{Create: "+", Update: "~", Delete: "-"}

func (r *renderer) changes(op Op) {
	n := 0
	for _, c := range r.p.Changes {
		if c.Op != op {
			continue
		}
		if n++; r.o.Max > 0 && n > r.o.Max {
			continue
		}
		r.change(c)
	}
	if r.o.Max > 0 && n > r.o.Max {
		r.line("%s … and %d more", signs[op], n-r.o.Max)
	}
}

func (r *renderer) change(c Change) {
	text := fmt.Sprintf("%s %-8s %-19s %s", signs[c.Op], word(c), prefixText(c.Prefix), plain.Text(c.ACL, 60))
	if c.Op != Delete {
		text += "  " + r.duration(c.Mark)
	}
	text += "  rule " + plain.Text(cmp.Or(c.Mark.Rule, "-"), 60)
	if c.Mark.Strikes > 1 {
		text += fmt.Sprintf("  strike %d", c.Mark.Strikes)
	}
	var d policy.Decision
	if c.Decision != nil {
		d = *c.Decision
	}
	r.line("%s%s", text, r.measured(d))
	if c.Reason != "" {
		r.line("           %s", plain.Text(c.Reason, 300))
	}
	r.evidence(d)
}

func (r *renderer) duration(m Mark) string {
	if m.Until.IsZero() {
		return "without end"
	}
	return fmt.Sprintf("for %s until %s", shortDuration(m.Until.Sub(r.p.Now)), m.Until.UTC().Format(time.RFC3339))
}

// shortDuration is 1h30m where Duration says 1h30m0s.
func shortDuration(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// measured is what was counted, beside what makes an offender where that is known.
func (r *renderer) measured(d policy.Decision) string {
	if d.Offender == nil {
		return ""
	}
	t := fmt.Sprintf("  %d requests", d.Offender.Measures.Requests)
	if n := r.o.Threshold[d.Rule]; n > 0 {
		t += fmt.Sprintf(" (%d make an offender)", n)
	}
	return t
}

// evidence is one line.
func (r *renderer) evidence(d policy.Decision) {
	if d.Offender == nil {
		return
	}
	m := d.Offender.Measures
	parts := []string{fmt.Sprintf("peak %d/min", m.PeakPerMinute), fmt.Sprintf("%d ok, %d errors", m.OK, m.Errors)}
	if e := d.Offender.Evidence; e != nil {
		for _, cs := range [][]detect.Count{first(e.Statuses, 3), first(e.Paths, 2)} {
			if t := countsText(cs); t != "" {
				parts = append(parts, t)
			}
		}
		where := plain.Text(e.Country, 10)
		if e.ASN != 0 {
			where = strings.TrimSpace(fmt.Sprintf("%s AS%d", where, e.ASN))
		}
		if where != "" {
			parts = append(parts, where)
		}
		for _, a := range first(e.Agents, 1) {
			parts = append(parts, `"`+plain.Text(a.Value, 60)+`"`)
		}
	}
	r.line("           evidence: %s", strings.Join(parts, "; "))
}

func first[T any](s []T, n int) []T { return s[:min(n, len(s))] }

func countsText(cs []detect.Count) string {
	var parts []string
	for _, c := range cs {
		parts = append(parts, fmt.Sprintf("%s ×%d", plain.Text(c.Value, 60), c.N))
	}
	return strings.Join(parts, ", ")
}

func (r *renderer) refused(sign string, ds []policy.Decision) {
	ds = slices.Clone(ds)
	sortDecisions(ds)
	for i, d := range ds {
		if r.o.Max > 0 && i == r.o.Max {
			r.line("%s… and %d more", sign, len(ds)-i)
			return
		}
		r.line("%s %-19s rule %s  %s%s", sign, plain.Text(cmp.Or(d.Key, prefixText(d.Prefix)), 60), plain.Text(cmp.Or(d.Rule, "-"), 60), plain.Text(d.Code, 40), r.measured(d))
		if d.Reason != "" {
			r.line("           %s", plain.Text(d.Reason, 300))
		}
	}
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return "(no address)"
	}
	return p.String()
}
