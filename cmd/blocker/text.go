package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/plain"
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
		fmt.Fprintf(b, "FAILED: %s\n", plain.Text(s.Error, 0))
	}
	if s.Refused != "" {
		fmt.Fprintf(b, "NOTHING WRITTEN: %s\n", plain.Text(s.Refused, 0))
	}
	for _, a := range s.Alerts {
		fmt.Fprintf(b, "ALERT: %s\n", plain.Text(a, 0))
	}
	if s.Plan == nil {
		return
	}
	if err := acl.Render(b, s.Plan, acl.RenderOptions{Threshold: s.Floors}); err != nil {
		fmt.Fprintf(b, "the plan cannot be shown: %v\n", err) // a strings.Builder does not fail
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
	var create, update, remove, refused, failed int
	var d data
	for _, s := range r.Services {
		if s.Error != "" {
			failed++
		}
		d.add(s.Found.Health, s.To)
		if s.Plan != nil {
			c, u, x := tally(s.Plan.Changes)
			create, update, remove, refused = create+c, update+u, remove+x, refused+len(s.Plan.Refusals)
		}
	}
	parts := []string{fmt.Sprintf("%d to block, %d to extend, %d to release, %d refused", create, update, remove, refused)}
	if !r.DryRun {
		parts[0] = fmt.Sprintf("%d blocked, %d extended, %d released, %d refused", create, update, remove, refused)
	}
	if d.Rows > 0 {
		parts = append(parts, fmt.Sprintf("%d rows", d.Rows))
	}
	if d.AgeSeconds != nil {
		parts = append(parts, "data "+time.Duration(*d.AgeSeconds*float64(time.Second)).Round(time.Second).String()+" old")
	}
	if d.BytesScanned > 0 {
		parts = append(parts, fmt.Sprintf("%.0f MB scanned", float64(d.BytesScanned)/1e6))
	}
	if failed > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d services FAILED", failed, len(r.Services)))
	}
	return strings.Join(parts, "; ")
}
