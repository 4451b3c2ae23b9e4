package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/policy"
)

// run lets the blocker decide at minute n and judges what it did.
func (d *day) run(ctx context.Context, n int) error {
	if n == d.times.late.to {
		if err := d.deliver(true); err != nil {
			return err
		}
	}
	if !d.times.dead.has(n - 1) {
		if err := d.settled(ctx); err != nil {
			return err
		}
	}
	v, err := d.blockerJSON(ctx, at(n))
	if err != nil {
		return err
	}
	d.tally.Runs++
	created := 0
	for _, ch := range v.Changes {
		p, err := netip.ParsePrefix(ch.Prefix)
		if err != nil {
			return fmt.Errorf("reading the blocker's answer: %w", err)
		}
		switch exempt := ch.ACL == "edgewarden_exempt"; {
		case exempt:
		case ch.Op == "create":
			created++
			d.tally.created(p, ch.Rule, at(n), ch.Until)
		case ch.Op == "update":
			d.tally.extended++
		case ch.Op == "delete":
			d.tally.released(p)
			if d.blind(n) {
				d.tally.duringOutage++
			}
		}
	}
	d.judge(v, n, created)
	return nil
}

// staleAfter is how old the newest row may be, in minutes: the guard's default.
const staleAfter = 10

// blind reports whether the newest row is too old at minute n.
func (d *day) blind(n int) bool {
	return n > d.times.dead.from+staleAfter && n <= d.times.dead.to || n > d.times.firstOf+staleAfter && n <= d.times.late.to
}

// judge holds one run against what the timetable made of it.
func (d *day) judge(v verdict, n, created int) {
	clock := at(n).Format(time.TimeOnly)
	office, victim, forged := d.cast.ours.String(), d.cast.victims[0].String(), d.cast.victims[1].String()
	d.seen(seenInsider, v.refusedFor(office, policy.CodeAllowlisted))
	d.seen(seenHeader, v.refusedFor(victim, policy.CodeForgeable))
	d.seen(seenClaim, v.Data.ClaimsOtherIP > 0)
	d.seen(seenImport, v.refusedFor(forged, policy.CodeUnauthenticated))
	for _, f := range v.Floods {
		d.seen(seenRing, f.Rule == "login-bruteforce")
	}
	for _, r := range v.Refusals {
		d.seen(seenCrawler, r.Code == policy.CodeCrawler)
		d.seen(seenSnooper, r.Code == policy.CodeShared && r.Rule == "scanner")
		d.seen(seenLate, r.Code == acl.LimitStale && n == d.times.late.to)
	}
	if !d.blind(n) {
		return
	}
	if created > 0 {
		d.tally.miss("%d blocks were written at %s from data too old to trust", created, clock)
	}
	if !v.failed(acl.LimitStale) && !v.failed(acl.LimitNoData) {
		d.tally.miss("the guard does not say at %s that the data is stale or missing", clock)
	}
}

// What has to be seen at least once in a game.
const (
	seenInsider = "the attacker behind the office is shown, and refused as allowlisted"
	seenHeader  = "the address in a forged header is shown, and refused as forgeable"
	seenClaim   = "requests whose client claims another address are counted as such"
	seenImport  = "the address in lines of an unauthenticated sender is shown, and refused as such"
	seenCrawler = "the crawler is shown, and refused as verified"
	seenSnooper = "the office in which somebody scans is shown, and refused as looking shared"
	seenRing    = "the ring is shown as a distributed attack that no address stands out of"
	seenLate    = "the attacker in late lines is shown, and refused while they are stale"
	seenRelease = "a block that falls due while ingest is dead is released"
	seenSecond  = "who comes back after its block has ended is blocked for twice as long"
	seenExtend  = "the block of an attacker that goes on is extended"
)

var allSeen = []string{seenInsider, seenHeader, seenClaim, seenImport, seenCrawler, seenSnooper, seenRing, seenLate, seenRelease, seenSecond, seenExtend}

func (d *day) seen(what string, yes bool) {
	if yes {
		d.tally.saw[what] = true
	}
}

// acts says which act of the game was not seen.
func (d *day) acts() {
	d.seen(seenRelease, d.tally.duringOutage > 0)
	d.seen(seenSecond, d.tally.second == time.Hour)
	d.seen(seenExtend, d.tally.extended > 0)
	for _, what := range allSeen {
		if !d.tally.saw[what] {
			d.tally.miss("not seen: %s", what)
		}
	}
}
