package report

import (
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/acl"
)

// tally is what a plan does, in words.
type tally struct{ acl.Tally }

func (n tally) words(wrote bool) (parts []string) {
	for _, w := range []struct {
		n          int
		will, done string
		always     bool
	}{
		{n.Block, "to block", "blocked", true}, {n.Extend, "to extend", "extended", false}, {n.Release, "to release", "released", true},
		{n.Exempt, "to exempt", "exempted", false}, {n.Unexempt, "exemptions to end", "exemptions ended", false}, {n.Shadow, "in the shadow ACL", "in the shadow ACL", false},
	} {
		verb := w.will
		if wrote {
			verb = w.done
		}
		if w.n > 0 || w.always {
			parts = append(parts, number(int64(w.n))+" "+verb)
		}
	}
	return parts
}

// sentence is what can be read aloud.
func (r Run) sentence() string {
	var n tally
	var planned, wrote, refused, failed, blocks int
	for _, s := range r.Services {
		if s.Error != "" {
			failed++
		}
		if s.Plan != nil {
			planned++
			n.Add(s.Plan.Changes)
			refused += len(s.Plan.Refusals)
		}
		if s.Applied != nil {
			wrote++
		}
		if e := s.edge(); e != nil {
			blocks += e.Usage(s.Capacity).Ours
		}
	}
	var parts []string
	if planned > 0 {
		words := append(n.words(wrote > 0), number(int64(refused))+" refused")
		parts = append(parts, strings.Join(words, ", "))
	}
	if edges := r.edges(); edges > 0 {
		parts = append(parts, plural(blocks, "entry")+" at the edge")
	}
	if age, known := r.dataAge(); known {
		parts = append(parts, "data "+span(age)+" old")
	}
	if full, known := r.fullest(); known {
		parts = append(parts, "ACL "+percent(full)+" full")
	}
	if failed > 0 {
		parts = append([]string{fmt.Sprintf("%d of %s failed", failed, plural(len(r.Services), "service"))}, parts...)
	}
	if len(parts) == 0 {
		return "Nothing is known"
	}
	text := strings.Join(parts, "; ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// edges is how many services' edges were read.
func (r Run) edges() (n int) {
	for _, s := range r.Services {
		if s.ID != "" && s.edge() != nil {
			n++
		}
	}
	return n
}

// dataAge is the age of the newest row of the service that is furthest behind.
func (r Run) dataAge() (oldest time.Duration, known bool) {
	for _, s := range r.Services {
		if newest := s.Found.Health.Newest; !newest.IsZero() {
			oldest, known = max(oldest, r.To.Sub(newest)), true
		}
	}
	return oldest, known
}

// fullest is how full the block ACLs of the fullest service are.
func (r Run) fullest() (full float64, known bool) {
	for _, s := range r.Services {
		if _, share, ok := s.capacity(); ok {
			full, known = max(full, share), true
		}
	}
	return full, known
}
