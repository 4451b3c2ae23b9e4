package ledger

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Past is what is remembered of an address.
type Past struct {
	Strikes int
	Last    time.Time // when it was last blocked, or its block last moved on
}

// History gives the strikes of every prefix that was blocked within forget (0: 30
// days) before now, keyed by the prefix as text, always with its length. It reads the
// events "block" and "extend" that succeeded, kind "block" or none in their detail. An "unblock"
// by hand wipes the slate of every prefix it touches: that block was a mistake. Pass the events of
// one service (ForService), else one burst on two services counts twice.
func History(events []Event, now time.Time, forget time.Duration) map[string]Past {
	return history(events, "block", now, forget)
}

// ShadowHistory is History for what rules in shadow mode decided.
func ShadowHistory(events []Event, now time.Time, forget time.Duration) map[string]Past {
	return history(events, "shadow", now, forget)
}

func history(events []Event, kind string, now time.Time, forget time.Duration) map[string]Past {
	if forget <= 0 {
		forget = 30 * 24 * time.Hour
	}
	past := map[string]Past{}
	for _, e := range events {
		p, ok := targetPrefix(e.Target)
		if !ok || e.Outcome != Success || e.Time.After(now) {
			continue
		}
		switch key := p.String(); {
		case e.Event == "unblock":
			wipe(past, p)
		case kindOf(e) != kind:
		case e.Event == "block":
			was := past[key]
			if e.Time.Sub(was.Last) > forget {
				was.Strikes = 0
			}
			past[key] = Past{Strikes: strikesOf(e, was.Strikes+1), Last: e.Time}
		case e.Event == "extend":
			past[key] = Past{Strikes: strikesOf(e, max(1, past[key].Strikes)), Last: e.Time}
		}
	}
	for key, was := range past {
		if now.Sub(was.Last) > forget {
			delete(past, key)
		}
	}
	return past
}

func wipe(past map[string]Past, p netip.Prefix) {
	for key := range past {
		if other, err := netip.ParsePrefix(key); err == nil && other.Overlaps(p) {
			delete(past, key)
		}
	}
}

func kindOf(e Event) string {
	if k := e.Detail["kind"]; k != "" {
		return k
	}
	return "block"
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
