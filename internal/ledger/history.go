package ledger

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Past is what is remembered of an address. It is an alias so that it fits into
// policy's input, declared the same there, without a door between the rooms.
type Past = struct {
	Strikes int
	Last    time.Time // when it was last blocked, or its block last moved on
}

// History gives the strikes of every prefix that was blocked within forget (0: 30
// days) before now. It reads the events "block" and "extend" that succeeded. What was
// unblocked by hand has its slate wiped, and so has everything it overlaps: that block was a
// mistake. Pass the events of one service (ForService), else one burst on two services counts twice.
func History(events []Event, now time.Time, forget time.Duration) map[netip.Prefix]Past {
	return history(events, map[string]bool{"block": true, "extend": false}, now, forget)
}

// ShadowHistory is History for what rules in shadow mode decided: "shadow-create"
// and "shadow-update".
func ShadowHistory(events []Event, now time.Time, forget time.Duration) map[netip.Prefix]Past {
	return history(events, map[string]bool{"shadow-create": true, "shadow-update": false}, now, forget)
}

// history reads the events named in verbs; true marks those that are a new strike
// when they do not say how many there are.
func history(events []Event, verbs map[string]bool, now time.Time, forget time.Duration) map[netip.Prefix]Past {
	if forget <= 0 {
		forget = 30 * 24 * time.Hour
	}
	past := map[netip.Prefix]Past{}
	for _, e := range events {
		p, ok := targetPrefix(e.Target)
		if !ok || e.Outcome != Success || e.Time.After(now) {
			continue
		}
		if e.Event == "unblock" || e.Event == "exempt-create" {
			maps.DeleteFunc(past, func(other netip.Prefix, _ Past) bool { return other.Overlaps(p) })
			continue
		}
		strike, ours := verbs[e.Event]
		if !ours {
			continue
		}
		was := past[p]
		if e.Time.Sub(was.Last) > forget {
			was.Strikes = 0
		}
		if strike || was.Strikes == 0 {
			was.Strikes++
		}
		past[p] = Past{Strikes: strikesOf(e, was.Strikes), Last: e.Time}
	}
	maps.DeleteFunc(past, func(_ netip.Prefix, was Past) bool { return now.Sub(was.Last) > forget })
	return past
}

// strikesOf trusts the number in the event, which is the mark's; without one it counts.
func strikesOf(e Event, counted int) int {
	if n, err := strconv.Atoi(e.Detail["strikes"]); err == nil && n > 0 {
		return n
	}
	return counted
}

// targetPrefix reads the prefix at the end of service/acl/prefix. The prefix itself
// holds a slash, and may be an address without a length.
func targetPrefix(target string) (netip.Prefix, bool) {
	parts := strings.SplitN(target, "/", 3)
	if len(parts) != 3 {
		return netip.Prefix{}, false
	}
	if p, err := netip.ParsePrefix(parts[2]); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(parts[2])
	if err != nil {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}
