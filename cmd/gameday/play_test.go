package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
)

func nobodyBlocked(netip.Addr) bool { return false }

// castOf plays the first minutes of a seed without edge or blocker.
func castOf(seed uint64, to int) []request {
	c := newCast(seed, newTimetable(source(seed, "timetable")))
	var all []request
	for n := range to {
		for _, a := range c.actors {
			all = append(all, a.minute(n, at(n), nobodyBlocked)...)
		}
	}
	return all
}

func digest(rs []request) string {
	h := sha256.New()
	for _, r := range rs {
		fmt.Fprintln(h, r.addr, r.at, r.id, r.path, r.status, r.device)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestASeedIsOneGame(t *testing.T) {
	first := digest(castOf(7, 15))
	if first != digest(castOf(7, 15)) {
		t.Error("one seed gave two games")
	}
	if first == digest(castOf(8, 15)) {
		t.Error("two seeds gave one game")
	}
}

// A block of an attacker must not be able to hit anybody else by the game's own fault, and every attacker must be above what its
// rule asks for.
func TestNobodyLivesWhereAnAttackerLives(t *testing.T) {
	for seed := range uint64(3) {
		c := newCast(seed, newTimetable(source(seed, "timetable")))
		homes := map[netip.Prefix]bool{}
		for _, a := range c.attacks {
			if a.target.IsValid() {
				if homes[a.target] {
					t.Errorf("seed %d: two attackers at %s", seed, a.target)
				}
				homes[a.target] = true
			}
		}
		for _, r := range castOf(seed, 16) {
			for home := range homes {
				if !r.label.abusive() && home.Contains(r.addr) {
					t.Fatalf("seed %d: %s (%s) lives in %s", seed, r.addr, r.label, home)
				}
			}
		}
	}
}

// Addresses are made of bytes: put together as text, some with a group of zeros would be none.
func TestEveryPersonHasAnAddress(t *testing.T) {
	rng := source(1, "addresses")
	for range 300_000 {
		if a := household(rng, 0x1fff); !a.IsValid() || !netip.MustParsePrefix("2001:db8:1fff::/48").Contains(a) {
			t.Fatal(a)
		}
	}
}

func TestEachAddressOfTheNetworkAndTheRingStaysBelow(t *testing.T) {
	const floodLimit, loginLimit = 3000, 60 // in ten and fifteen minutes
	for seed := range uint64(4) {
		flooding, guessing := map[netip.Addr]int{}, map[netip.Addr]int{}
		total := 0
		c := newCast(seed, newTimetable(source(seed, "timetable")))
		var all []request
		for n := 30; n < 45; n++ {
			for _, a := range c.attacks {
				all = append(all, a.minute(n, at(n), nobodyBlocked)...)
			}
		}
		for _, r := range all {
			switch {
			case r.label == network && r.at.Before(at(40)):
				flooding[r.addr]++
				total++
			case r.label == ring:
				guessing[r.addr]++
			}
		}
		for addr, n := range flooding {
			if n >= floodLimit {
				t.Errorf("seed %d: %s sends %d", seed, addr, n)
			}
		}
		if total < 15000 || len(flooding) < 20 {
			t.Errorf("seed %d: the network sends %d from %d addresses: no rule could see it", seed, total, len(flooding))
		}
		for addr, n := range guessing {
			if n >= loginLimit/2 {
				t.Errorf("seed %d: %s of the ring guesses %d times", seed, addr, n)
			}
		}
		if len(guessing) < 200 {
			t.Errorf("seed %d: a ring of %d addresses", seed, len(guessing))
		}
	}
}

// The runs that must not trust what they see are at least these.
func TestTheTimetablePlaysItsTroubles(t *testing.T) {
	for seed := range uint64(50) {
		d := &day{times: newTimetable(source(seed, "timetable"))}
		for _, n := range []int{55, 95} {
			if !d.blind(n) {
				t.Errorf("seed %d: the run at %d sees fresh rows: %+v", seed, n, d.times)
			}
		}
		for _, n := range []int{5, 40, 45, 65, 80, 100, 105} {
			if d.blind(n) {
				t.Errorf("seed %d: the run at %d is blind: %+v", seed, n, d.times)
			}
		}
	}
}

// perfect is a tally of a game in which all went well.
func perfect() *tally {
	c := newCast(1, newTimetable(source(1, "timetable")))
	t := newTally(1, c)
	for _, a := range c.attacks {
		q := request{addr: a.addr(a.rng), label: a.label, at: at(20)}
		t.sent(q, a.target.IsValid())
	}
	t.sent(request{addr: netip.MustParseAddr("198.18.0.7"), label: human, at: at(20)}, false)
	for _, g := range t.Targets {
		t.created(g.prefix, "any", at(25), at(55))
	}
	for _, what := range allSeen {
		t.saw[what] = true
	}
	return t
}

func TestTheTallyCanMiss(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*tally)
		want  string
	}{
		"a perfect game":   {func(*tally) {}, ""},
		"a person blocked": {func(t *tally) { t.created(netip.MustParsePrefix("198.18.0.0/24"), "prefix-flood", at(30), at(60)) }, "must be spared (human)"},
		"the office blocked for its insider": {func(t *tally) {
			for a, l := range t.labels {
				if l == insider {
					t.created(netip.PrefixFrom(a, 32), "login-bruteforce", at(30), at(60))
				}
			}
		}, "must be spared (insider)"},
		"an attacker never blocked": {func(t *tally) { t.Targets[2].Blocked = false }, "was never blocked"},
		"a flap": {func(t *tally) {
			t.released(t.Targets[0].prefix)
			t.created(t.Targets[0].prefix, "flood", at(60), at(90))
		}, "released and blocked again"},
		"the hammer released": {func(t *tally) {
			t.released(t.Targets[slices.IndexFunc(t.Targets, func(g *target) bool { return g.Label == hammer })].prefix)
		}, "although it never stopped"},
		"a person refused": {func(t *tally) {
			t.sent(request{addr: netip.MustParseAddr("198.18.0.7"), label: human, at: at(40)}, true)
		}, "were refused"},
		"a row lost": {func(t *tally) { t.expected++ }, "should be in the lake"},
	} {
		s := perfect()
		c.spoil(s)
		s.settle()
		if c.want == "" {
			if !s.Passed || s.Precision != 1 || s.Recall != 1 {
				t.Errorf("%s: %+v", name, s.Misses)
			}
			continue
		}
		if s.Passed || !strings.Contains(strings.Join(s.Misses, "\n"), c.want) {
			t.Errorf("%s: passed %v, misses %q", name, s.Passed, s.Misses)
		}
	}
}

func TestWhoComesBackIsNoFlap(t *testing.T) {
	s := perfect()
	i := slices.IndexFunc(s.Targets, func(g *target) bool { return g.Label == returner })
	s.released(s.Targets[i].prefix)
	s.created(s.Targets[i].prefix, "burst", at(70), at(130))
	s.settle()
	if !s.Passed || s.Flaps != 0 || s.second != time.Hour {
		t.Errorf("%d flaps, second block %s, %q", s.Flaps, s.second, s.Misses)
	}
}

func TestARunOnStaleDataIsJudged(t *testing.T) {
	stale := verdict{}
	stale.Guard.Limits = append(stale.Guard.Limits, struct {
		Name   string
		Passed bool
	}{acl.LimitStale, false})
	for name, c := range map[string]struct {
		v       verdict
		created int
		misses  int
	}{
		"says stale, blocks nobody": {stale, 0, 0},
		"says nothing":              {verdict{}, 0, 1},
		"blocks all the same":       {stale, 1, 1},
	} {
		d := &day{cast: newCast(1, newTimetable(source(1, "timetable"))), times: newTimetable(source(1, "timetable"))}
		d.tally = newTally(1, d.cast)
		d.judge(c.v, d.times.late.to, c.created)
		if len(d.tally.Misses) != c.misses {
			t.Errorf("%s: %q", name, d.tally.Misses)
		}
	}
}

func TestAMissNamesTheCommandThatShowsItAgain(t *testing.T) {
	s := perfect()
	s.Seed, s.expected = 4711, 1
	s.settle()
	var out bytes.Buffer
	if err := s.print(&out, false, false, time.Second); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "bin/gameday play --seed 4711") || !strings.Contains(out.String(), "MISS: 1 rows should be in the lake") {
		t.Error(out.String())
	}
}
