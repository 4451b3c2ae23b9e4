package spool

import (
	"math"
	"slices"
	"sort"
)

// span is a stretch of positions [from, to).
type span struct{ from, to uint64 }

// endless is the end of a span that has none yet.
const endless = math.MaxUint64

// ranges is a set of positions, kept as sorted spans that neither overlap nor
// touch. The zero value is empty.
type ranges []span

// add puts [from, to) in the set.
func (r *ranges) add(from, to uint64) {
	if from >= to {
		return
	}
	s := *r
	i := sort.Search(len(s), func(i int) bool { return s[i].to >= from })
	j := i
	for j < len(s) && s[j].from <= to {
		from, to = min(from, s[j].from), max(to, s[j].to)
		j++
	}
	*r = slices.Replace(s, i, j, span{from, to})
}

// covers reports whether every position of [from, to) is in the set.
func (r ranges) covers(from, to uint64) bool {
	if from >= to {
		return true
	}
	i := sort.Search(len(r), func(i int) bool { return r[i].to > from })
	return i < len(r) && r[i].from <= from && to <= r[i].to
}

// overlaps reports whether any position of [from, to) is in the set.
func (r ranges) overlaps(from, to uint64) bool {
	if from >= to {
		return false
	}
	i := sort.Search(len(r), func(i int) bool { return r[i].to > from })
	return i < len(r) && r[i].from < to
}

// gap returns the first stretch at or after pos that is not in the set.
func (r ranges) gap(pos uint64) span {
	i := sort.Search(len(r), func(i int) bool { return r[i].to > pos })
	if i < len(r) && r[i].from <= pos {
		pos = r[i].to
		i++
	}
	if i < len(r) {
		return span{pos, r[i].from}
	}
	return span{pos, endless}
}

// before returns the end of the last span that ends at or before pos, or zero.
func (r ranges) before(pos uint64) uint64 {
	i := sort.Search(len(r), func(i int) bool { return r[i].to > pos })
	if i == 0 {
		return 0
	}
	return r[i-1].to
}
