package detect

import (
	"slices"
	"time"
)

// Windows are the windows of the rules, each once, longest first.
func (s *Set) Windows() []time.Duration {
	var all []time.Duration
	for _, c := range s.rules {
		all = append(all, c.Window)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.Reverse(all)
	return all
}

// Within is the set of the rules whose window is at most w, and the names of
// those that are left out. The set is nil when every rule is. A rule needs no
// row outside of its own window, so what the smaller set finds is what the
// whole one would have found for the same rules.
func (s *Set) Within(w time.Duration) (within *Set, left []string) {
	n := &Set{byName: map[string]int{}}
	for _, c := range s.rules {
		if c.Window > w {
			left = append(left, c.Name)
			continue
		}
		n.byName[c.Name] = len(n.rules)
		n.rules = append(n.rules, c)
	}
	if len(n.rules) == 0 {
		return nil, left
	}
	return n, left
}
