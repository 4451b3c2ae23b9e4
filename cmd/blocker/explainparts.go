package main

import (
	"fmt"
	"net/netip"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/ledger"
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

// entriesAbout names the entries at the edge that bear on an address or lie in a prefix, ours and others'.
func entriesAbout(s *acl.Snapshot, prefix netip.Prefix, now time.Time) []string {
	out := []string{}
	for _, e := range s.Covering(prefix) {
		out = append(out, fmt.Sprintf("blocked by %s in %s%s", e.Prefix, e.ACL, markText(e, now)))
	}
	for _, e := range s.Inside(prefix) {
		out = append(out, fmt.Sprintf("%s in it is blocked in %s%s", e.Prefix, e.ACL, markText(e, now)))
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

// history tells what the ledger knows of an address, or of a prefix and what is in it.
func history(events []ledger.Event, prefix netip.Prefix) []string {
	out := []string{}
	for _, e := range events {
		if p, err := parsePrefix(e.Detail["prefix"]); err == nil && p.Overlaps(prefix) {
			out = append(out, fmt.Sprintf("%s %s %s by %s: %s", e.Time.Format(time.RFC3339), e.Event, e.Outcome, e.Actor, e.Detail["reason"]))
		}
	}
	return out
}
