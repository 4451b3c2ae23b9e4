package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
)

// verdictOn answers what is asked first at night: is it blocked, by what, and for how long? blocked says whether an entry of
// ours or of others refuses it.
func verdictOn(s *acl.Snapshot, prefix netip.Prefix, now time.Time) (text string, blocked bool) {
	for _, e := range s.Exempt.Entries {
		if e.Prefix.IsValid() && e.Prefix.Contains(prefix.Addr()) && e.Prefix.Bits() <= prefix.Bits() {
			if e.Ours && e.MarkErr == nil && e.Mark.Kind == policy.KindAllow {
				return fmt.Sprintf("passes: allowlisted as %s", e.Prefix), false
			}
			return fmt.Sprintf("passes: exempted by %s in %s%s", e.Prefix, plain.Text(e.ACL, 60), markText(e, now)), false
		}
	}
	for _, e := range s.Covering(prefix) {
		text = fmt.Sprintf("BLOCKED by %s in %s%s", e.Prefix, plain.Text(e.ACL, 60), markText(e, now))
		break
	}
	switch enforcing := s.Stopped == "" && s.EnforceUntil.After(now); {
	case text == "":
		return "not blocked", false
	case s.Stopped != "":
		text += "; but blocking is stopped by " + plain.Text(stoppedBy(s.Stopped), 80)
	case !enforcing:
		text += "; but the lease is over and the edge enforces nothing"
	}
	return text, true
}

// markText is what an entry says of itself, for people.
func markText(e acl.Entry, now time.Time) string {
	switch {
	case !e.Ours:
		return ", somebody else's entry: " + plain.Text(e.Comment, 100)
	case e.MarkErr != nil:
		return ", its mark cannot be read"
	}
	var parts []string
	if e.Mark.Rule != "" && e.Mark.Rule != "-" {
		parts = append(parts, "rule "+plain.Text(e.Mark.Rule, 60))
	}
	parts = append(parts, "since "+e.Mark.Since.UTC().Format(time.RFC3339))
	switch {
	case e.Mark.Until.IsZero():
	case e.Mark.Until.After(now):
		parts = append(parts, fmt.Sprintf("until %s (%s left)", e.Mark.Until.UTC().Format(time.RFC3339), short(e.Mark.Until.Sub(now).Round(time.Second))))
	default:
		parts = append(parts, "its time is over, the next run releases it")
	}
	if e.Mark.Strikes > 0 {
		parts = append(parts, fmt.Sprintf("strike %d", e.Mark.Strikes))
	}
	return ": " + strings.Join(append(parts, "run "+plain.Text(e.Mark.Run, 40)), ", ")
}
