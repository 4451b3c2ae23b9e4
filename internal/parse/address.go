package parse

import (
	"net/netip"
	"strings"
)

// address is a client address in canonical text, with what it counts as.
type address struct {
	ip, key, prefix string
}

// address reads a client address: a port, brackets and an IPv4-mapped form
// are taken off. A zone is refused, since no client on the Internet has one.
func (p *Parser) address(s string) (address, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		if ip, err = netip.ParseAddr(withoutPort(s)); err != nil {
			return address{}, false
		}
	}
	if ip.Zone() != "" {
		return address{}, false
	}
	if ip.Is4() && len(s) <= len("255.255.255.255") && strings.IndexByte(s, ':') < 0 {
		// netip takes no other spelling of an IPv4 address than the canonical one.
		return address{s, s, p.arena.join(s[:strings.LastIndexByte(s, '.')], ".0/24")}, true
	}
	ip = ip.Unmap()
	p.scratch = ip.AppendTo(p.scratch[:0])
	a := address{ip: p.arena.bytes(p.scratch)}
	if ip.Is4() {
		a.key, a.prefix = a.ip, p.network(ip, 24)
	} else {
		a.key, a.prefix = p.network(ip, 64), p.network(ip, 56)
	}
	return a, true
}

func (p *Parser) network(ip netip.Addr, bits int) string {
	// bits is in range for either family, so Prefix cannot fail.
	n, _ := ip.Prefix(bits)
	p.scratch = n.AppendTo(p.scratch[:0])
	return p.arena.bytes(p.scratch)
}

// withoutPort returns the address of "192.0.2.1:443", "[2001:db8::1]:443" and
// "[2001:db8::1]", and s when it is none of these.
func withoutPort(s string) string {
	if strings.HasPrefix(s, "[") {
		in, port, ok := strings.Cut(s[1:], "]")
		if ok && strings.IndexByte(in, ':') >= 0 && (port == "" || isPort(port)) {
			return in
		}
		return s
	}
	i := strings.IndexByte(s, ':')
	if i > 0 && isPort(s[i:]) {
		return s[:i]
	}
	return s
}

func isPort(s string) bool {
	if len(s) < 2 || len(s) > 6 || s[0] != ':' {
		return false
	}
	n, ok := num(s[1:])
	return ok && n <= 65535
}
