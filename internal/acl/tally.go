package acl

import "edgewarden/internal/policy"

// Tally counts changes by what they mean to a person: an exemption is no block although both create an entry.
type Tally struct{ Block, Extend, Release, Exempt, Unexempt, Shadow int }

// Add counts more changes.
func (n *Tally) Add(changes []Change) {
	for _, ch := range changes {
		switch kind := ch.Mark.Kind; {
		case kind == policy.KindShadow:
			n.Shadow++
		case kind == policy.KindBlock && ch.Op == Create:
			n.Block++
		case kind == policy.KindBlock && ch.Op == Update:
			n.Extend++
		case kind == policy.KindBlock:
			n.Release++
		case ch.Op == Delete:
			n.Unexempt++
		default:
			n.Exempt++
		}
	}
}
