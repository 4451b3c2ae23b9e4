package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// rangePattern is an RE2 pattern that finds the client keys (IPv4 hosts, IPv6 /64 in canonical text) that lie in one of
// the prefixes; "" when there is none. Neither dialect can compare addresses in a way that the other has too, and a pattern
// needs no join. IPv6 prefixes are told by their first two groups at most: longer ones, and those whose second group
// begins with a zero, are left out, but for the group of ::1.
func rangePattern(prefixes []netip.Prefix) string {
	var parts []string
	for _, p := range prefixes {
		p = p.Masked()
		part := ""
		switch {
		case !p.IsValid():
		case p.Addr().Is4():
			part = v4Pattern(p)
		default:
			part = v6Pattern(p)
		}
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "^(?:" + strings.Join(slices.Compact(parts), "|") + ")"
}

func v4Pattern(p netip.Prefix) string {
	a := p.Addr().As4()
	var b strings.Builder
	for i := range p.Bits() / 8 {
		fmt.Fprintf(&b, "%d", a[i])
		if i < 3 {
			b.WriteString(`\.`)
		} else {
			b.WriteString("$")
		}
	}
	if rest := p.Bits() % 8; rest > 0 {
		i := p.Bits() / 8
		b.WriteString(octets(int(a[i]), int(a[i])|0xff>>rest))
		if i < 3 {
			b.WriteString(`\.`)
		} else {
			b.WriteString("$")
		}
	}
	return b.String()
}

// octets is a pattern of the decimal numbers from lo to hi.
func octets(lo, hi int) string {
	var parts []string
	for ten := lo / 10; ten <= hi/10; ten++ {
		stem := ""
		if ten > 0 {
			stem = fmt.Sprint(ten)
		}
		parts = append(parts, fmt.Sprintf("%s[%d-%d]", stem, max(lo, ten*10)%10, min(hi, ten*10+9)%10))
	}
	return "(?:" + strings.Join(parts, "|") + ")"
}

func v6Pattern(p netip.Prefix) string {
	a := p.Addr().As16()
	first, second := int(a[0])<<8|int(a[1]), int(a[2])<<8|int(a[3])
	switch {
	case p.Bits() >= 64 && p.Addr().Compare(netip.MustParseAddr("::1:0:0:0:0")) < 0:
		return "::/64$"
	case p.Bits() == 0 || p.Bits() > 32 || first < 0x1000:
		return ""
	case p.Bits() <= 16:
		return nibbles(first, p.Bits())
	case second < 0x1000:
		return ""
	}
	return fmt.Sprintf("%x:", first) + nibbles(second, p.Bits()-16)
}

// nibbles is a pattern of groups of four hexadecimal digits whose first bits are given.
func nibbles(group, bits int) string {
	digits := fmt.Sprintf("%04x", group)
	out := digits[:bits/4]
	if rest := bits % 4; rest > 0 {
		lo := group >> (12 - bits/4*4) & 0xf
		var class strings.Builder
		for d := lo; d <= lo|0xf>>rest; d++ {
			fmt.Fprintf(&class, "%x", d)
		}
		return out + "[" + class.String() + "][0-9a-f]{" + fmt.Sprint(3-bits/4) + "}:"
	}
	if n := 4 - bits/4; n > 0 {
		out += "[0-9a-f]{" + fmt.Sprint(n) + "}"
	}
	return out + ":"
}
