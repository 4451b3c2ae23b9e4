package main

import (
	"fmt"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// alerts says what shows that blocking does not work although every call succeeded.
func alerts(s *acl.Snapshot, found detect.Result, actions map[string]policy.Action, now time.Time) []string {
	var out []string
	for _, l := range s.Blocks {
		if l.ID != "" && !l.Referenced {
			out = append(out, fmt.Sprintf("ACL %s is not referenced by the active version %d: its entries block nothing", l.Name, s.Version))
		}
	}
	if s.ControlID != "" && s.Stopped == "" && !s.EnforceUntil.IsZero() && s.EnforceUntil.Before(now) {
		out = append(out, fmt.Sprintf("the lease ended at %s: the edge has not enforced since", s.EnforceUntil.UTC().Format(time.RFC3339)))
	}
	if s.EnforceUntil.Before(now) || s.Stopped != "" {
		return out // nothing is enforced, so nothing can leak
	}
	for _, a := range found.After {
		if a.Passed > 0 && actions[a.Rule].Enforce {
			out = append(out, fmt.Sprintf("%s is blocked (rule %s) but %d requests passed since %s", a.Key, a.Rule, a.Passed, a.From.UTC().Format(time.RFC3339)))
		}
	}
	return out
}
