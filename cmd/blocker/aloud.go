package main

import (
	"fmt"
	"slices"
	"strings"

	"edgewarden/internal/acl"
	"edgewarden/internal/policy"
)

// The parts of the sentence that can be read aloud.

// refusedText is how many were refused, and for what: the most frequent codes first.
func refusedText(services []*serviceReport) string {
	n, codes := 0, map[string]int{}
	for _, s := range services {
		if s.Plan == nil {
			continue
		}
		for _, d := range s.Plan.Refusals {
			n++
			codes[d.Code]++
		}
	}
	if n == 0 {
		return "0 refused"
	}
	var names []string
	for code := range codes {
		names = append(names, code)
	}
	slices.SortFunc(names, func(a, b string) int {
		if codes[a] != codes[b] {
			return codes[b] - codes[a]
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for i, code := range names {
		if i == 3 {
			parts = append(parts, "…")
			break
		}
		words := strings.NewReplacer("_", " ", "-", " ").Replace(code)
		if len(names) > 1 {
			words = fmt.Sprintf("%d %s", codes[code], words)
		}
		parts = append(parts, words)
	}
	return fmt.Sprintf("%d refused: %s", n, strings.Join(parts, ", "))
}

// touchText is whom the new blocks hit beside attackers: distinct addresses with a successful request, and what share of all
// successful requests was theirs. "" when nothing new was measured.
func touchText(services []*serviceReport) string {
	measured, addresses, requests, of := false, int64(0), int64(0), int64(0)
	for _, s := range services {
		if s.Plan == nil {
			continue
		}
		of += s.Found.Health.OKRequests
		for _, c := range s.Plan.Changes {
			if c.Op == acl.Create && c.Mark.Kind == policy.KindBlock && c.Decision != nil && c.Decision.Offender != nil {
				measured = true
				addresses += c.Decision.Offender.Measures.InAll().OKAddresses
				requests += c.Decision.Offender.Measures.InAll().OK
			}
		}
	}
	if !measured {
		return ""
	}
	if addresses == 0 {
		return "touches no address with successful requests"
	}
	noun := "addresses"
	if addresses == 1 {
		noun = "address"
	}
	return fmt.Sprintf("touches %s %s with %s of the successful requests", thousands(addresses), noun, fine(part(requests, of)*100))
}

// fine writes a percentage with the digits that a small one needs.
func fine(p float64) string {
	switch {
	case p > 0 && p < 0.01:
		return "<0.01 %"
	case p > 0 && p < 1:
		return fmt.Sprintf("%.2f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

// fullText is how full the block ACLs of the fullest service are once the plan is carried out; entries of others count, since
// they take room.
func fullText(services []*serviceReport, capacity int) string {
	most, known := 0.0, false
	for _, s := range services {
		if s.Snapshot == nil || s.Plan == nil || s.Snapshot.Version == 0 || capacity <= 0 {
			continue
		}
		room, used := 0, 0
		for _, l := range s.Snapshot.Blocks {
			if l.ID != "" {
				room += capacity
				used += len(l.Entries)
			}
		}
		for _, c := range s.Plan.Changes {
			switch {
			case c.Mark.Kind != policy.KindBlock:
			case c.Op == acl.Create:
				used++
			case c.Op == acl.Delete:
				used--
			}
		}
		if room > 0 {
			known, most = true, max(most, float64(used)/float64(room)*100)
		}
	}
	if !known {
		return ""
	}
	return "ACL " + fine(most) + " full"
}
