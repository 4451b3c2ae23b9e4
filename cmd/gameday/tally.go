package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// tally is the score of one game, kept with the labels that the programs never saw.
type tally struct {
	Seed          uint64       `json:"seed"`
	Passed        bool         `json:"passed"`
	Misses        []string     `json:"misses"` // one sentence each; empty when passed
	Precision     float64      `json:"precision"`
	Recall        float64      `json:"recall"` // of single addresses and single prefixes above a rule's threshold
	Flaps         int          `json:"flaps"`  // blocked, released and blocked again
	SparedRefused int64        `json:"spared_requests_refused"`
	SparedShare   float64      `json:"spared_refused_share"`
	AttackRefused float64      `json:"attack_refused_share"` // of the requests of those who can be blocked, from their first on
	Sent          int64        `json:"lines_sent"`
	Lost          int64        `json:"lines_lost_on_purpose"` // by the game: a gap, a dead ingest
	Stored        int64        `json:"rows_stored"`
	Runs          int          `json:"runs"`
	Targets       []*target    `json:"attackers"`
	Wrong         []wrongBlock `json:"wrong_blocks"`
	Releases      int          `json:"releases"`

	labels                   map[netip.Addr]label
	spared, attacks, stopped int64
	second                   time.Duration // how long the block of the returner lasts
	blocks, right            int
	ended                    map[string]bool // prefixes that were released
	duringOutage, extended   int
	expected                 int64           // rows that should be in the lake
	saw                      map[string]bool // acts, see allSeen
}

// target is one attacker that a block can reach.
type target struct {
	Label   label   `json:"label"`
	Key     string  `json:"key"`
	Rule    string  `json:"rule,omitempty"` // that blocked it
	Minutes float64 `json:"minutes"`        // from its first request to its block
	Blocked bool    `json:"blocked"`
	prefix  netip.Prefix
	first   time.Time
}

// wrongBlock is a block that hits somebody who must be spared.
type wrongBlock struct {
	Prefix string    `json:"prefix"`
	Rule   string    `json:"rule"`
	Label  label     `json:"label"`
	Hit    int       `json:"addresses"`
	At     time.Time `json:"at"`
}

func newTally(seed uint64, c *cast) *tally {
	t := &tally{Seed: seed, Misses: []string{}, Wrong: []wrongBlock{}, labels: map[netip.Addr]label{}, ended: map[string]bool{}, saw: map[string]bool{}}
	for _, a := range c.attacks {
		if a.target.IsValid() {
			t.Targets = append(t.Targets, &target{Label: a.label, Key: key(a.target), prefix: a.target})
		}
	}
	for _, v := range c.victims {
		t.labels[v] = human
	}
	return t
}

// key names a prefix as the blocker does: an IPv4 host without its length.
func key(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// sent counts one request and what became of it at the edge. An address is spared if anybody behind it must be.
func (t *tally) sent(q request, refused bool) {
	if was, seen := t.labels[q.addr]; !seen || was.abusive() {
		t.labels[q.addr] = q.label
	}
	n := int64(0)
	if refused {
		n = 1
	}
	switch {
	case !q.label.abusive():
		t.spared, t.SparedRefused = t.spared+1, t.SparedRefused+n
	case q.label != ring:
		t.attacks, t.stopped = t.attacks+1, t.stopped+n
		for _, g := range t.Targets {
			if g.Label == q.label && g.first.IsZero() {
				g.first = q.at
			}
		}
	}
}

// created judges a new block.
func (t *tally) created(p netip.Prefix, rule string, at, until time.Time) {
	t.blocks++
	hit := map[label]int{}
	for addr, l := range t.labels {
		if !l.abusive() && p.Contains(addr) {
			hit[l]++
		}
	}
	if len(hit) == 0 {
		t.right++
	}
	for l, n := range hit {
		t.Wrong = append(t.Wrong, wrongBlock{p.String(), rule, l, n, at})
	}
	came := false // back, after silence
	for _, g := range t.Targets {
		if p.Bits() > g.prefix.Bits() || !p.Contains(g.prefix.Addr()) {
			continue
		}
		if !g.Blocked {
			g.Blocked, g.Rule, g.Minutes = true, rule, at.Sub(g.first).Minutes()
		} else if g.Label == returner {
			came = true
			t.second = until.Sub(at)
		}
	}
	if t.ended[p.String()] && !came {
		t.Flaps++
		t.miss("%s was blocked, released and blocked again by %s at %s", p, rule, at.Format(time.TimeOnly))
	}
}

// released notes a release.
func (t *tally) released(p netip.Prefix) {
	t.Releases++
	t.ended[p.String()] = true
}

func (t *tally) miss(format string, args ...any) {
	t.Misses = append(t.Misses, fmt.Sprintf(format, args...))
}

// Marks. Recall is of ten attackers, so that the least is all of them.
const (
	markPrecision = 1.0
	markRecall    = 0.95
)

// settle computes the ratios and says what misses the mark.
func (t *tally) settle() {
	caught := 0
	for _, g := range t.Targets {
		if g.Blocked {
			caught++
		} else {
			t.miss("%s (%s) was never blocked", g.Key, g.Label)
		}
		if t.ended[g.prefix.String()] && g.Label == hammer {
			t.miss("%s (%s) was released although it never stopped", g.Key, g.Label)
		}
	}
	t.Precision, t.Recall = ratio(t.right, t.blocks), ratio(caught, len(t.Targets))
	t.SparedShare = float64(t.SparedRefused) / float64(max(t.spared, 1))
	t.AttackRefused = float64(t.stopped) / float64(max(t.attacks, 1))
	slices.SortFunc(t.Wrong, func(a, b wrongBlock) int { return a.At.Compare(b.At) })
	for _, w := range t.Wrong {
		t.miss("%s by %s at %s hits %d addresses that must be spared (%s)", w.Prefix, w.Rule, w.At.Format(time.TimeOnly), w.Hit, w.Label)
	}
	if t.Precision < markPrecision {
		t.miss("precision %.2f, the mark is %.2f", t.Precision, markPrecision)
	}
	if t.Recall < markRecall {
		t.miss("recall %.2f, the mark is %.2f", t.Recall, markRecall)
	}
	if t.SparedRefused > 0 {
		t.miss("%d requests of people, offices, carriers or the crawler were refused", t.SparedRefused)
	}
	if t.stopped == 0 {
		t.miss("no request of an attacker was refused")
	}
	if t.Stored != t.expected {
		t.miss("%d rows should be in the lake, %d are", t.expected, t.Stored)
	}
	t.Passed = len(t.Misses) == 0
}
