package lake

import "sort"

// span is the positions [from, to).
type span struct{ from, to uint64 }

// spans is a set of positions: ordered, disjoint, never touching. The zero
// value is empty.
type spans []span

// add puts s into the set.
func (r *spans) add(s span) {
	if s.from >= s.to {
		return
	}
	old := *r
	i := sort.Search(len(old), func(i int) bool { return old[i].to >= s.from })
	j := i
	for j < len(old) && old[j].from <= s.to {
		s.from, s.to = min(s.from, old[j].from), max(s.to, old[j].to)
		j++
	}
	*r = append(old[:i], append(spans{s}, old[j:]...)...)
}

// missing returns the parts of s that are not in the set, in order.
func (r spans) missing(s span) []span {
	var out []span
	i := sort.Search(len(r), func(i int) bool { return r[i].to > s.from })
	for ; i < len(r) && r[i].from < s.to; i++ {
		if s.from < r[i].from {
			out = append(out, span{s.from, r[i].from})
		}
		s.from = r[i].to
	}
	if s.from < s.to {
		out = append(out, s)
	}
	return out
}

// has reports whether all of s is in the set.
func (r spans) has(s span) bool { return len(r.missing(s)) == 0 }
