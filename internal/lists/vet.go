package lists

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
)

// What makes a list from outside suspicious: whoever can write to it could exempt himself.
const (
	widest4  = 16   // the widest IPv4 prefix in such a list
	widest6  = 32   // the widest IPv6 prefix
	growth   = 2    // how much more than the last good copy it may cover
	smallest = 1024 // IPv4 addresses, or /64s of IPv6, that it may always cover: a /22, or a /54
)

// tooMuch says why a list must not replace its last good copy (nil when there is none).
func (s source) tooMuch(entries, kept []Entry) error {
	for _, e := range entries {
		if p := e.Prefix; p.Addr().Is4() && p.Bits() < widest4 || p.Addr().Is6() && p.Bits() < widest6 {
			return fmt.Errorf("it holds %s, which is wider than /%d for IPv4 and /%d for IPv6: refused", p, widest4, widest6)
		}
	}
	if kept == nil {
		return nil
	}
	was4, was6 := extent(kept)
	now4, now6 := extent(entries)
	for _, c := range []struct {
		what     string
		was, now float64
	}{{"IPv4 addresses", was4, now4}, {"/64 networks of IPv6", was6, now6}} {
		if c.now > smallest && c.now > growth*c.was {
			return fmt.Errorf("it suddenly covers %.0f %s, more than %d times the %.0f of its last good copy: refused; if that is right, remove %s", c.now, c.what, growth, c.was, s.file)
		}
	}
	return nil
}

// extent is how much entries cover together: addresses of IPv4 and /64 networks of IPv6.
func extent(entries []Entry) (v4, v6 float64) {
	all := make([]netip.Prefix, 0, len(entries))
	for _, e := range entries {
		all = append(all, e.Prefix)
	}
	slices.SortFunc(all, netip.Prefix.Compare) // what contains a prefix comes before it
	var last netip.Prefix
	for _, p := range all {
		if last.IsValid() && last.Overlaps(p) {
			continue
		}
		last = p
		if p.Addr().Is4() {
			v4 += math.Exp2(float64(32 - p.Bits()))
		} else {
			v6 += math.Exp2(float64(64 - min(64, p.Bits())))
		}
	}
	return v4, v6
}
