package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/plain"
	"edgewarden/internal/terminal"
)

// text prints a report for people: per service what stands first in an engineer's mind (may I trust this?), then the plan, and
// last, where the cursor stands, the sentence to read aloud.
func (r *report) text(w io.Writer, v view) error {
	var b strings.Builder
	if r.DryRun {
		b.WriteString("dry run: nothing was written\n")
	}
	for _, s := range r.Services {
		s.text(&b, v)
	}
	v.say(&b, terminal.Strong, "", r.line())
	_, err := io.WriteString(w, b.String())
	return err
}

// text prints one service.
func (s *serviceReport) text(b *strings.Builder, v view) {
	if s.Service.ID != "" {
		fmt.Fprintf(b, "service %s%s\n", s.Service.ID, nameOf(s.Service.Name))
	}
	if s.Error != "" {
		v.say(b, terminal.Alarm, "FAILED:", s.Error)
	}
	if s.Refused != "" {
		v.say(b, terminal.Alarm, "REFUSED:", s.Refused)
	}
	for _, a := range s.Alerts {
		v.say(b, terminal.Alarm, "ALERT:", a)
	}
	for _, f := range floodLines(s.Floods) {
		fmt.Fprintf(b, "%s\n", plain.Text(f, 0))
	}
	for _, u := range s.Unreviewed {
		v.say(b, terminal.Alarm, "NOT AS REVIEWED:", u)
	}
	if s.Plan == nil {
		return
	}
	o := acl.RenderOptions{Actions: s.Actions, Max: v.max(), More: "--all or --json", Screen: v.screen, Undo: v.undo(s.Service.ID)}
	if err := acl.Render(b, s.Plan, o); err != nil {
		fmt.Fprintf(b, "the plan cannot be shown: %v\n", err) // a strings.Builder does not fail
	}
	if line := healthLine(s); line != "" {
		v.say(b, "", "", line)
	}
	for _, n := range s.Notes {
		v.say(b, "", "", n)
	}
	if s.LedgerError != "" {
		v.say(b, terminal.Alarm, "LEDGER NOT WRITTEN:", s.LedgerError)
	}
	if !s.LeaseUntil.IsZero() {
		fmt.Fprintf(b, "the edge enforces until %s\n", s.LeaseUntil.UTC().Format(time.RFC3339))
	}
}

func nameOf(name string) string {
	if name == "" {
		return ""
	}
	return " (" + plain.Text(name, 60) + ")"
}

// line is the summary that can be read aloud.
func (r *report) line() string {
	var n counts
	var failed, unjudged int
	var why string // of the first that failed
	var d data
	for _, s := range r.Services {
		if s.Error != "" {
			if failed++; failed == 1 {
				why = s.Error
				if len(r.Services) > 1 {
					why = "service " + s.Service.ID + ": " + why
				}
			}
		}
		d.add(s.Found.Health, s.To)
		d.addCost(s.Cost)
		if s.Unjudged != nil {
			unjudged += len(s.Unjudged.Rules)
		}
		if s.Plan != nil {
			n.Add(s.Plan.Changes)
		}
	}
	parts := []string{n.text(r.DryRun) + ", " + refusedText(r.Services)}
	if t := touchText(r.Services); t != "" {
		parts = append(parts, t)
	}
	if d.Rows > 0 {
		parts = append(parts, counted(d.Rows, "row"))
	}
	if d.AgeSeconds != nil {
		parts = append(parts, "data "+time.Duration(*d.AgeSeconds*float64(time.Second)).Round(time.Second).String()+" old")
	}
	if d.BytesScanned > 0 {
		parts = append(parts, bytesText(d.BytesScanned)+" scanned")
	}
	if d.Estimated != nil {
		parts = append(parts, bytesText(*d.Estimated)+" estimated before")
	}
	if d.Billed != nil {
		parts = append(parts, bytesText(*d.Billed)+" billed")
	}
	if t := fullText(r.Services, r.Capacity); t != "" {
		parts = append(parts, t)
	}
	if unjudged > 0 {
		parts = append(parts, counted(int64(unjudged), "rule")+" NOT JUDGED")
	}
	if failed > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d services FAILED: %s", failed, len(r.Services), plain.Text(why, 300)))
	}
	return strings.Join(parts, "; ")
}

// counts are what a plan does, in words.
type counts struct{ acl.Tally }

// text says what is to be done, or was done. What is rare is left out when there is none.
func (n counts) text(dry bool) string {
	words := []struct {
		n          int
		will, done string
		always     bool
	}{
		{n.Block, "to block", "blocked", true}, {n.Extend, "to extend", "extended", true}, {n.Release, "to release", "released", true},
		{n.Exempt, "to exempt", "exempted", false}, {n.Unexempt, "exemptions to end", "exemptions ended", false}, {n.Shadow, "in the shadow ACL", "in the shadow ACL", false},
	}
	var parts []string
	for _, w := range words {
		if w.n == 0 && !w.always {
			continue
		}
		verb := w.done
		if dry {
			verb = w.will
		}
		parts = append(parts, fmt.Sprintf("%d %s", w.n, verb))
	}
	return strings.Join(parts, ", ")
}
