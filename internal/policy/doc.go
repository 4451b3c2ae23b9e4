// Package policy decides who is blocked and for how long. It is pure: offenders,
// present entries, lists, history and the time come in; decisions, each with a reason for a
// person, go out. The same input gives the same decisions in the same order.
//
// An entry lives so:
//
//	offender ──refuse: allowlist, crawler, never-block, width, exempt, trust, report only, looks shared
//	   │
//	 block  (strike n lasts Block × Escalation^(n-1), at most Max)
//	   │◀──────────────┐
//	   ├── its requests, refused ones included, still meet the rule's floor ──▶ extend: no new strike, at most Max after Since
//	   ├── allowlisted, never-block or exempt by now ──▶ release
//	   └── Until has come ──▶ release: expired
//	                              │
//	                         strikes are remembered until Forget has passed (History)
//
// Many blocked hosts of one /24 or /56 become one block of it when Settings.RollUp says
// so and the data proves that nobody else is there. A person's command goes through
// [DecideByHand]: it overrides an exemption and the end of a block, never a list.
//
// A rule in shadow mode leads the same life in the shadow ACL. Nothing here knows
// Fastly, SQL or the clock.
package policy
