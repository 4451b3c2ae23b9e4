package acl

import (
	"cmp"
	"time"

	"edgewarden/internal/policy"
)

// ChangeJSON is a change as --json prints it.
type ChangeJSON struct {
	Op     Op         `json:"op"`
	ACL    string     `json:"acl"`
	Prefix string     `json:"prefix"`          // always with length
	Rule   string     `json:"rule"`            // the one that decides
	Rules  []string   `json:"rules,omitempty"` // all that hit, those in shadow mode too
	Until  *time.Time `json:"until"`           // null: no expiry
	Reason string     `json:"reason"`
}

// RefusalJSON is a refusal as --json prints it.
type RefusalJSON struct {
	Key    string `json:"key"`
	Rule   string `json:"rule"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// ChangesJSON gives the changes in order; never nil.
func (p *Plan) ChangesJSON() []ChangeJSON {
	out := make([]ChangeJSON, 0, len(p.Changes))
	for _, c := range p.Changes {
		j := ChangeJSON{Op: c.Op, ACL: c.ACL, Rule: c.Mark.Rule, Reason: cmp.Or(c.Reason, c.Code)}
		if c.Decision != nil {
			j.Rules = c.Decision.Rules
		}
		if c.Prefix.IsValid() {
			j.Prefix = c.Prefix.String()
		}
		if !c.Mark.Until.IsZero() {
			u := c.Mark.Until.UTC()
			j.Until = &u
		}
		out = append(out, j)
	}
	return out
}

// RefusalsJSON gives the refusals and what found no room; never nil.
func (p *Plan) RefusalsJSON() []RefusalJSON {
	out := make([]RefusalJSON, 0, len(p.Refusals)+len(p.NoRoom))
	for _, ds := range [][]policy.Decision{p.Refusals, p.NoRoom} {
		for _, d := range ds {
			key := d.Key
			if key == "" && d.Prefix.IsValid() {
				key = policy.Key(d.Prefix)
			}
			out = append(out, RefusalJSON{Key: key, Rule: d.Rule, Code: d.Code, Reason: d.Reason})
		}
	}
	return out
}
