package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/plain"
	"edgewarden/internal/policy"
)

// verdictOn answers what is asked first at night: is it blocked, by what, and for how long? blocked says whether an entry of
// ours or of others refuses it.
func verdictOn(s *acl.Snapshot, prefix netip.Prefix, now time.Time) (text string, blocked bool) {
	if e, ok := exempting(s, prefix); ok {
		if e.Ours && e.MarkErr == nil && e.Mark.Kind == policy.KindAllow {
			return fmt.Sprintf("passes: allowlisted as %s", e.Prefix), false
		}
		return fmt.Sprintf("passes: exempted by %s in %s%s", e.Prefix, plain.Text(e.ACL, 60), markText(e, now)), false
	}
	var ours, others []acl.Entry
	for _, e := range s.Covering(prefix) {
		if e.Ours {
			ours = append(ours, e)
		} else {
			others = append(others, e)
		}
	}
	inside := blockedInside(s, prefix)
	switch covering := slices.Concat(ours, others); {
	case len(covering) > 0:
		text, blocked = fmt.Sprintf("BLOCKED by %s in %s%s", covering[0].Prefix, plain.Text(covering[0].ACL, 60), markText(covering[0], now)), true
		if len(ours) > 0 && len(others) > 0 { // who lets it pass has to ask them
			text += fmt.Sprintf("; and by %s in %s%s", others[0].Prefix, plain.Text(others[0].ACL, 60), markText(others[0], now))
		}
	case inside != "":
		text = "not blocked as a whole; " + inside
	default:
		text = "not blocked"
	}
	switch {
	case s.Stopped != "":
		text += "; but blocking is stopped by " + plain.Text(stoppedBy(s.Stopped), 80)
	case !s.EnforceUntil.After(now) && text != "not blocked":
		text += "; but the lease is over and the edge enforces nothing"
	}
	return text, blocked
}

// exempting is the entry of the exempt ACL that lets a whole prefix pass, whatever blocks it.
func exempting(s *acl.Snapshot, prefix netip.Prefix) (acl.Entry, bool) {
	for _, e := range s.Exempt.Entries {
		if e.Prefix.IsValid() && e.Prefix.Contains(prefix.Addr()) && e.Prefix.Bits() <= prefix.Bits() {
			return e, true
		}
	}
	return acl.Entry{}, false
}

// blockedInside counts what is blocked in a prefix: "3 addresses in it are blocked"; "" for nothing.
func blockedInside(s *acl.Snapshot, prefix netip.Prefix) string {
	seen := map[netip.Prefix]bool{}
	what := "addresses"
	for _, e := range s.Inside(prefix) {
		if _, passes := exempting(s, e.Prefix); passes {
			continue
		}
		seen[e.Prefix] = true
		if bits := e.Prefix.Bits(); bits != 32 && e.Prefix.Addr().Is4() || bits < 64 && e.Prefix.Addr().Is6() {
			what = "addresses and prefixes"
		}
	}
	switch {
	case len(seen) == 0:
		return ""
	case len(seen) == 1 && what == "addresses":
		return "1 address in it is blocked"
	case len(seen) == 1:
		return "1 prefix in it is blocked"
	}
	return fmt.Sprintf("%d %s in it are blocked", len(seen), what)
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
