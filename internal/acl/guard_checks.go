package acl

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"edgewarden/internal/policy"
)

// data judges blocks by what the log data itself looks like, of the trusted rows alone: no other can block, and whoever
// sends them could hide stale data or stop all blocks. Rows that are missing can only hide an address that a counter would
// catch; a share, a score or a ratio they can make.
func (g *guard) data() {
	h := g.in.Health
	byShare := func(c Change) bool { return c.blocks() && !g.countsOnly(c) }
	note := ""
	if h.Trusted == 0 && h.Rows > 0 {
		note = fmt.Sprintf("none of %d rows is trusted: none can block", h.Rows)
	}
	switch idle := note != "" && g.idle(); {
	case !g.check(LimitNoData, float64(h.Trusted), 1, h.Trusted > 0 || idle, note):
		g.class(LimitNoData, "there are no trusted rows: nobody is blocked on no evidence", Change.blocks)
	case !idle:
		age := g.age()
		if !g.most(LimitStale, age.Seconds(), g.l.Stale.Seconds(), "") {
			g.class(LimitStale, fmt.Sprintf("the newest trusted row is %s old: what it shows may be over; see that ingest runs and ships", age.Round(time.Second)), Change.blocks)
		}
	}
	if !g.most(LimitNoAddress, share(h.TrustedNoAddress, h.Trusted), g.l.NoAddress, "") {
		g.class(LimitNoAddress, fmt.Sprintf("%d of %d trusted rows have no client address: the column is broken; ingest lint-format shows what is wrong with the log line", h.TrustedNoAddress, h.Trusted), Change.blocks)
	}
	g.warn(g.l.CheckNotClient(h))
	g.warn(g.l.CheckClaims(h, g.in.Forgeable))
	g.warn(g.l.CheckRepeats(h.Repeats))
	note = ""
	if !h.LossKnown {
		note = "no heartbeat: loss is not known"
	}
	if !g.most(LimitLoss, h.Loss, g.l.Loss, note) {
		g.class(LimitLoss, fmt.Sprintf("%.1f %% of the lines were lost: shares and scores of the rest mean little; ingest's metrics say why they were dropped", h.Loss*100), byShare)
	}
	g.volume(byShare)
}

// allowlist stops new blocks while somebody who must be spared is not known.
func (g *guard) allowlist() {
	if !g.in.AllowPartial {
		return
	}
	if !g.check(LimitAllowlist, 1, 0, false, "a part of the allowlist cannot be read and has no last good copy") {
		g.class(LimitAllowlist, "a part of the allowlist cannot be read, and there is no last good copy of it: whoever stands there could be blocked", newBlock)
	}
}

func (g *guard) volume(byShare func(Change) bool) {
	if g.in.Baseline <= 0 || g.l.Volume < 0 {
		g.check(LimitVolume, float64(g.in.Health.Trusted), 0, true, "no baseline")
		return
	}
	least := g.l.Volume * float64(g.in.Baseline)
	rows := float64(g.in.Health.Trusted)
	if !g.check(LimitVolume, rows, least, rows >= least, fmt.Sprintf("usual: %d", g.in.Baseline)) {
		g.class(LimitVolume, fmt.Sprintf("only %d trusted rows where %d are usual: shares and scores mean little; blocker check compares what Fastly sent with what is stored", g.in.Health.Trusted, g.in.Baseline), byShare)
	}
}

func (g *guard) age() time.Duration {
	to := g.in.To
	if to.IsZero() {
		to = g.p.Now
	}
	return max(0, to.Sub(g.in.Health.TrustedNewest))
}

// idle reports whether nothing depends on trusted rows: no block is planned, none is in force, and no such rows are usual.
// A dry run over imported files is like that.
func (g *guard) idle() bool {
	return g.in.Baseline <= 0 && g.ours() == 0 && !slices.ContainsFunc(g.p.Changes, Change.blocks)
}

// ours is how many entries of the block ACLs carry our mark.
func (g *guard) ours() (n int) {
	for _, l := range g.s.of(roleBlock) {
		for _, e := range l.Entries {
			if e.Ours {
				n++
			}
		}
	}
	return n
}

// countsOnly is false for a rule that nobody described.
func (g *guard) countsOnly(c Change) bool { return g.in.Actions[c.Mark.Rule].CountsOnly }

// prefixes asks each block of the final plan again, whatever policy said: it must not overlap the never-block set or the
// allowlist, nor be too wide.
func (g *guard) prefixes() {
	enforced := func(c Change) bool { return c.Op != Delete && c.Mark.Kind == policy.KindBlock }
	var never, allow, wide int
	g.p.Changes = slices.DeleteFunc(g.p.Changes, func(c Change) bool {
		if !enforced(c) {
			return false
		}
		code, reason := "", ""
		if e, hit := g.in.Never.Overlaps(c.Prefix, g.p.Now); hit {
			never++
			code, reason = LimitNeverBlock, fmt.Sprintf("overlaps %s, which is never blocked (%s: %s)", e.Prefix, e.List, e.Reason)
		} else if e, hit := g.in.Allow.Overlaps(c.Prefix, g.p.Now); hit {
			allow++
			code, reason = LimitAllowlisted, fmt.Sprintf("overlaps %s on the allowlist (%s)", e.Prefix, e.Reason)
		} else if g.tooWide(c.Prefix) {
			wide++
			code, reason = LimitWidth, fmt.Sprintf("wider than /%d", g.width(c.Prefix))
		}
		if code == "" {
			return false
		}
		g.p.Refusals = append(g.p.Refusals, refusal(c, code, reason))
		return true
	})
	g.check(LimitNeverBlock, float64(never), 0, never == 0, "")
	g.check(LimitAllowlisted, float64(allow), 0, allow == 0, "")
	g.check(LimitWidth, float64(wide), 0, wide == 0, "")
}

func (g *guard) tooWide(p netip.Prefix) bool { return !p.IsValid() || p.Bits() < g.width(p) }

func (g *guard) width(p netip.Prefix) int {
	if p.Addr().Is4() {
		return g.l.MaxWidth4
	}
	return g.l.MaxWidth6
}

// collateral counts the distinct addresses with a successful request that new blocks would hit. Raw requests are no
// measure: a flood is most of them. Up to the limit the most harmful are written and the rest is refused. Refusing a rule whole
// would be a switch in the attacker's hand: a dozen hosts of his that ask for a page that answers 200 would shield him.
func (g *guard) collateral() {
	if !g.in.HasData {
		return
	}
	ok, total := int64(0), int64(0)
	for _, c := range g.p.Changes {
		hit, requests := customers(c)
		total, ok = total+hit, ok+requests
	}
	h := g.in.Health
	limit := max(g.l.Collateral*float64(h.OKAddresses), atLeast)
	if g.l.Collateral < 0 {
		limit = -1
	}
	note := fmt.Sprintf("of %d successful addresses; %d of %d successful requests", h.OKAddresses, ok, h.OKRequests)
	if g.most(LimitCollateral, float64(total), limit, note) {
		return
	}
	over := g.over(int64(limit))
	g.refuse(LimitCollateral, fmt.Sprintf("the new blocks hit %d addresses with successful requests, of %d in all; the most harmful are written up to the limit of %.0f", total, h.OKAddresses, limit),
		func(c Change) bool { return over[c.Prefix] })
}

// over chooses the new blocks that do not fit into a budget of customers. The rules that hit fewest are served first, since the
// rule that hits most is the one likely to be wrong; within a rule the most harmful come first, as changes are ordered.
func (g *guard) over(budget int64) map[netip.Prefix]bool {
	byRule := map[string][]Change{}
	hits := map[string]int64{}
	for _, c := range g.p.Changes {
		if hit, _ := customers(c); hit > 0 {
			byRule[c.Mark.Rule] = append(byRule[c.Mark.Rule], c)
			hits[c.Mark.Rule] += hit
		}
	}
	rules := slices.SortedFunc(maps.Keys(hits), func(a, b string) int { return cmp.Or(cmp.Compare(hits[a], hits[b]), cmp.Compare(a, b)) })
	over := map[netip.Prefix]bool{}
	for _, rule := range rules {
		for _, c := range byRule[rule] {
			if hit, _ := customers(c); hit <= budget {
				budget -= hit
			} else {
				over[c.Prefix] = true
			}
		}
	}
	return over
}

// customers is how many addresses with successful requests a new block hits, and how many such requests.
func customers(c Change) (addresses, requests int64) {
	if !newBlock(c) || c.Decision == nil || c.Decision.Offender == nil {
		return 0, 0
	}
	m := c.Decision.Offender.Measures
	all := m.InAll()
	switch {
	case all.Unknown:
		return max(m.OKAddresses, 1), m.OK
	case 10*all.OK < all.Requests: // a page that he asks for once makes no customer of who is found by his errors
		return m.OKAddresses, m.OK
	}
	return all.OKAddresses, all.OK
}

func newBlock(c Change) bool { return c.Op == Create && c.Mark.Kind == policy.KindBlock }

// count lets the most harmful new blocks through, up to the limit. That is no refusal of a class.
func (g *guard) count() {
	n, byHand := 0, 0
	for _, c := range g.p.Changes {
		if newBlock(c) {
			n++
			if c.Mark.Rule == RuleManual {
				byHand++
			}
		}
	}
	if g.most(LimitNewBlocks, float64(n), float64(g.l.NewBlocks), "") {
		return
	}
	left := g.l.NewBlocks
	reason := fmt.Sprintf("%d new blocks in one run, the %d most harmful are written", n, left)
	if byHand == n {
		reason = fmt.Sprintf("%d new blocks by hand in one command, more than %d: the first %d in the order of addresses are written; give the rest to another command, or raise guard: too_many_blocks", n, left, left)
	}
	g.refuse(LimitNewBlocks, reason, func(c Change) bool {
		if !newBlock(c) {
			return false
		}
		left-- // changes are in the order of harm
		return left < 0
	})
}

// allowReleases stops an allowlist that suddenly covers too much.
func (g *guard) allowReleases() {
	match := func(c Change) bool {
		return c.Op == Delete && c.Mark.Kind == policy.KindBlock && c.Code == policy.CodeAllowlisted
	}
	n, ours := 0, g.ours()
	for _, c := range g.p.Changes {
		if match(c) {
			n++
		}
	}
	limit := max(g.l.AllowReleases*float64(ours), atLeast)
	if g.l.AllowReleases < 0 {
		limit = -1
	}
	if !g.most(LimitAllowReleases, float64(n), limit, fmt.Sprintf("of %d blocks of ours", ours)) {
		g.class(LimitAllowReleases, fmt.Sprintf("the allowlist would release %d of %d blocks at once: check the list", n, ours), match)
	}
}

// dropIdleEvictions keeps what was to make room for, or to be replaced by, a block that is refused now.
func (g *guard) dropIdleEvictions() {
	made := map[netip.Prefix]bool{}
	for _, c := range g.p.Changes {
		if c.Op != Delete && c.Mark.Kind == policy.KindBlock {
			made[c.Prefix] = true
		}
	}
	back := map[netip.Prefix]bool{}
	g.p.Changes = slices.DeleteFunc(g.p.Changes, func(c Change) bool {
		idle := c.EvictFor.IsValid() && !made[c.EvictFor]
		if idle {
			back[c.Prefix] = true
		}
		return idle
	})
	g.p.NoRoom = slices.DeleteFunc(g.p.NoRoom, func(d policy.Decision) bool {
		return d.Verb == policy.VerbRelease && back[d.Prefix]
	})
}

func share(n, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(n) / float64(of)
}
