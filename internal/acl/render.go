package acl

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
	"edgewarden/internal/terminal"
)

// RenderOptions shape what Render prints.
type RenderOptions struct {
	Max     int                      // changes of each kind, and refusals; 0 means all
	More    string                   // how to see the others: said where Max cuts
	Actions map[string]policy.Action // by rule: what its condition asks for, shown beside what was measured
	Screen  terminal.Screen          // what it is read on; the zero Screen is a file
	Undo    func(Change) string      // the command that undoes a change, "" for none; nil for none at all
}

// renderer writes into a buffer, so that a plan is printed whole or not at all.
type renderer struct {
	b bytes.Buffer
	p *Plan
	o RenderOptions
}

// hang is the column where everything about a change begins that is not its first line.
const hang = 11

// Render prints a plan for people: a summary to read aloud, then every change with its reason, one line of evidence and what
// undoes it. Text from the log is made harmless. On a screen, lines break between fields and evidence is cut; an address
// is neither broken nor cut, nor is a command, so that it can be copied. Its error is the writer's.
//
//	3 changes: 1 block, 1 release, 1 extension; 2 refused, 14 kept
//	+ block    203.0.113.9/32      NZ AS64500  rule login-bruteforce  412 requests (60 make an offender)  for 1h until 2031-05-06T08:08:09Z  strike 1  in edgewarden_1
//	           412 failed logins in 15m
//	           peak 90/min; 0 ok, 412 errors; 401 ×412; /login ×412; "curl/8.0"
//	           undo: blocker unblock 203.0.113.9 --reason …
//	~ extend   …
//	- release  …
//	! refused  …
//	= kept     14
func Render(w io.Writer, p *Plan, o RenderOptions) error {
	r := &renderer{p: p, o: o}
	r.summary()
	for _, s := range p.Problems {
		r.notice("? problem", plain.Text(s, 400))
	}
	r.limits()
	for _, op := range []Op{Create, Update, Delete} {
		r.changes(op)
	}
	r.refused("refused", p.Refusals)
	r.refused("no room", p.NoRoom)
	if n := len(p.Kept); n > 0 {
		r.line("= kept     %d", n)
	}
	_, err := w.Write(r.b.Bytes())
	return err
}

func (r *renderer) line(format string, args ...any) {
	r.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// notice is a sentence about the whole plan.
func (r *renderer) notice(head, text string) {
	r.line("%s%s", r.o.Screen.Paint(terminal.Changed, terminal.Pad(head, hang)), strings.TrimLeft(r.o.Screen.Wrap(hang, text), " "))
}

// under is a sentence below a change's first line.
func (r *renderer) under(text string) {
	if text != "" {
		r.line("%s", r.o.Screen.Wrap(hang, text))
	}
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
	r.line("%s", strings.TrimLeft(r.o.Screen.Wrap(2, head), " "))
}

var nouns = map[string]string{"block": "block", "shadow": "shadow entry", "exempt": "exemption", "allow": "allowlist entry", "extend": "extension", "release": "release"}

func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	if strings.HasSuffix(noun, "s") {
		return fmt.Sprintf("%d %ses", n, noun)
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
			note = ": " + plain.Text(c.Note, 200)
		}
		value, limit := c.Figures()
		r.notice("? limit", fmt.Sprintf("%s %s: %s, limit %s%s", c.Name, state, value, limit, note))
	}
}

var signs = map[Op]string{Create: "+", Update: "~", Delete: "-"}

var styles = map[Op]terminal.Style{Create: terminal.Good, Update: terminal.Changed, Delete: terminal.Gone}

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
	if r.o.Max > 0 {
		r.more(signs[op], n-r.o.Max)
	}
}

// more says that n are not shown.
func (r *renderer) more(sign string, n int) {
	if n <= 0 {
		return
	}
	how := ""
	if r.o.More != "" {
		how = " (" + r.o.More + ")"
	}
	r.line("%s … and %s more%s", sign, grouped(n), how)
}

// grouped writes 2940 as 2,940.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// head prints the first line of a change or refusal: its sign and word, its address, and fields.
func (r *renderer) head(style terminal.Style, sign, word, address string, fields ...string) {
	// The first field is word and address, since they are never parted; colour is put on afterwards, so that it takes no room.
	first := sign + " " + terminal.Pad(word, hang-3) + " " + terminal.Pad(address, 19)
	all := []terminal.Field{{Text: first}}
	for _, f := range fields {
		if f != "" {
			all = append(all, terminal.Field{Text: f})
		}
	}
	text, screen := r.o.Screen.Line(hang, all...), r.o.Screen
	lead := sign + " " + word
	if screen.Color {
		text = screen.Paint(style, lead) + strings.Replace(strings.TrimPrefix(text, lead), address, screen.Paint(terminal.Strong, address), 1)
	}
	r.line("%s", text)
}

func (r *renderer) change(c Change) {
	var d policy.Decision
	if c.Decision != nil {
		d = *c.Decision
	}
	strikes, duration := "", ""
	if c.Op != Delete {
		duration = r.duration(c.Mark)
	}
	if c.Mark.Strikes > 0 && c.Mark.Kind != policy.KindExempt && c.Mark.Kind != policy.KindAllow {
		strikes = fmt.Sprintf("strike %d", c.Mark.Strikes)
	}
	r.head(styles[c.Op], signs[c.Op], word(c), prefixText(c.Prefix), origin(d), r.rules(c, d.Rules), r.measured(d), duration, strikes, "in "+plain.Text(c.ACL, 60))
	r.under(plain.Text(c.Reason, 300))
	r.evidence(d)
	if r.o.Undo != nil {
		if command := r.o.Undo(c); command != "" {
			r.line("%s", r.o.Screen.Paint(terminal.Quiet, strings.Repeat(" ", hang)+"undo: "+command))
		}
	}
}

// rule names a rule; "" for an entry that comes from none.
func rule(name string) string {
	if name == "" || name == "-" {
		return ""
	}
	return "rule " + plain.Text(name, 60)
}

// rules names the rule that decides, and after it the others that hit; one in shadow mode has no part in a block.
func (r *renderer) rules(c Change, all []string) string {
	text := rule(c.Mark.Rule)
	if text == "" {
		return ""
	}
	var others []string
	for _, name := range all {
		a, known := r.o.Actions[name]
		if shadow := known && !a.Enforce && c.Mark.Kind == policy.KindBlock; name != c.Mark.Rule && !shadow {
			others = append(others, plain.Text(name, 60))
		}
	}
	if len(others) == 0 {
		return text
	}
	return "rules " + plain.Text(c.Mark.Rule, 60) + ", " + strings.Join(others, ", ")
}

// origin is where an address is, as far as the log tells.
func origin(d policy.Decision) string {
	if d.Offender == nil || d.Offender.Evidence == nil {
		return ""
	}
	where := plain.Text(d.Offender.Evidence.Country, 10)
	if n := d.Offender.Evidence.ASN; n != 0 {
		where = strings.TrimSpace(fmt.Sprintf("%s AS%d", where, n))
	}
	return where
}

func (r *renderer) duration(m Mark) string {
	if m.Until.IsZero() {
		return "without end"
	}
	return fmt.Sprintf("for %s until %s", shortDuration(m.Until.Sub(r.p.Now)), m.Until.UTC().Format(time.RFC3339))
}

// shortDuration is whole seconds: 1h30m where Duration says 1h30m0s.
func shortDuration(d time.Duration) string { return trimmed(d.Round(time.Second)) }

func trimmed(d time.Duration) string {
	s := d.String()
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
	return r.o.Actions[d.Rule].Measured(d.Offender.Measures)
}

// evidence is one line.
func (r *renderer) evidence(d policy.Decision) {
	if d.Offender == nil {
		return
	}
	m := d.Offender.Measures
	parts := []string{fmt.Sprintf("peak %d/min", m.PeakPerMinute), fmt.Sprintf("%d ok, %d errors", m.OK, m.Errors)}
	if m.Whole.Requests > m.Requests {
		parts = append(parts, fmt.Sprintf("of %d requests in all, %d ok", m.Whole.Requests, m.Whole.OK))
	}
	if e := d.Offender.Evidence; e != nil {
		for _, cs := range [][]detect.Count{first(e.Statuses, 3), first(e.Paths, 2)} {
			if t := countsText(cs); t != "" {
				parts = append(parts, t)
			}
		}
		for _, a := range first(e.Agents, 1) {
			parts = append(parts, `"`+plain.Text(a.Value, 60)+`"`)
		}
	}
	r.line("%s", r.o.Screen.Fit(hang, strings.Join(parts, "; ")))
}

func first[T any](s []T, n int) []T { return s[:min(n, len(s))] }

func countsText(cs []detect.Count) string {
	var parts []string
	for _, c := range cs {
		parts = append(parts, fmt.Sprintf("%s ×%d", plain.Text(c.Value, 60), c.N))
	}
	return strings.Join(parts, ", ")
}

func (r *renderer) refused(what string, ds []policy.Decision) {
	ds = slices.Clone(ds)
	sortDecisions(ds)
	for i, d := range ds {
		if r.o.Max > 0 && i == r.o.Max {
			r.more("! "+what, len(ds)-i)
			return
		}
		r.head(terminal.Refused, "!", what, plain.Text(cmp.Or(d.Key, prefixText(d.Prefix)), 60), plain.Text(d.Code, 40), origin(d), rule(d.Rule), r.measured(d))
		r.under(plain.Text(d.Reason, 300))
	}
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return "(no address)"
	}
	return p.String()
}
