package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
)

// text prints a report for people: per service what stands first in an engineer's mind (may I trust this?), then the plan.
func (r *report) text(w io.Writer) error {
	var b strings.Builder
	if r.DryRun {
		b.WriteString("dry run: nothing was written\n")
	}
	for _, s := range r.Services {
		s.text(&b)
	}
	b.WriteString(r.line() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// text prints one service.
func (s *serviceReport) text(b *strings.Builder) {
	if s.Service.ID != "" {
		fmt.Fprintf(b, "service %s%s\n", s.Service.ID, nameOf(s.Service.Name))
	}
	if s.Error != "" {
		b.WriteString("FAILED, see above\n") // stderr has said why
	}
	if s.Refused != "" {
		fmt.Fprintf(b, "REFUSED: %s\n", plain.Text(s.Refused, 0))
	}
	for _, a := range s.Alerts {
		fmt.Fprintf(b, "ALERT: %s\n", plain.Text(a, 0))
	}
	for _, f := range floodLines(s.Floods) {
		fmt.Fprintf(b, "%s\n", plain.Text(f, 0))
	}
	for _, u := range s.Unreviewed {
		fmt.Fprintf(b, "NOT AS REVIEWED: %s\n", plain.Text(u, 0))
	}
	if s.Plan == nil {
		return
	}
	if err := acl.Render(b, s.Plan, acl.RenderOptions{Threshold: s.Floors}); err != nil {
		fmt.Fprintf(b, "the plan cannot be shown: %v\n", err) // a strings.Builder does not fail
	}
	if line := healthLine(s); line != "" {
		fmt.Fprintf(b, "%s\n", line)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(b, "%s\n", plain.Text(n, 0))
	}
	if s.LedgerError != "" {
		fmt.Fprintf(b, "LEDGER NOT WRITTEN: %s\n", plain.Text(s.LedgerError, 0))
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
	var refused, failed, unjudged int
	var d data
	for _, s := range r.Services {
		if s.Error != "" {
			failed++
		}
		d.add(s.Found.Health, s.To)
		d.addCost(s.Cost)
		if s.Unjudged != nil {
			unjudged += len(s.Unjudged.Rules)
		}
		if s.Plan != nil {
			n.add(s.Plan.Changes)
			refused += len(s.Plan.Refusals)
		}
	}
	parts := []string{n.text(r.DryRun) + fmt.Sprintf(", %d refused", refused)}
	if d.Rows > 0 {
		parts = append(parts, fmt.Sprintf("%d rows", d.Rows))
	}
	if d.AgeSeconds != nil {
		parts = append(parts, "data "+time.Duration(*d.AgeSeconds*float64(time.Second)).Round(time.Second).String()+" old")
	}
	if d.BytesScanned > 0 {
		parts = append(parts, fmt.Sprintf("%.0f MB scanned", float64(d.BytesScanned)/1e6))
	}
	if d.Estimated != nil {
		parts = append(parts, bytesText(*d.Estimated)+" estimated before")
	}
	if d.Billed != nil {
		parts = append(parts, bytesText(*d.Billed)+" billed")
	}
	if unjudged > 0 {
		parts = append(parts, fmt.Sprintf("%d rules NOT JUDGED", unjudged))
	}
	if failed > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d services FAILED", failed, len(r.Services)))
	}
	return strings.Join(parts, "; ")
}

// counts are changes by what they mean to a person: an exemption is no block although both create an entry.
type counts struct{ block, extend, release, exempt, unexempt, shadow int }

func (n *counts) add(changes []acl.Change) {
	for _, ch := range changes {
		switch kind := ch.Mark.Kind; {
		case kind == policy.KindShadow:
			n.shadow++
		case kind == policy.KindBlock && ch.Op == acl.Create:
			n.block++
		case kind == policy.KindBlock && ch.Op == acl.Update:
			n.extend++
		case kind == policy.KindBlock:
			n.release++
		case ch.Op == acl.Delete:
			n.unexempt++
		default:
			n.exempt++
		}
	}
}

// text says what is to be done, or was done. What is rare is left out when there is none.
func (n counts) text(dry bool) string {
	words := []struct {
		n          int
		will, done string
		always     bool
	}{
		{n.block, "to block", "blocked", true}, {n.extend, "to extend", "extended", true}, {n.release, "to release", "released", true},
		{n.exempt, "to exempt", "exempted", false}, {n.unexempt, "exemptions to end", "exemptions ended", false}, {n.shadow, "in the shadow ACL", "in the shadow ACL", false},
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
