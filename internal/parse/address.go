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
	if dot := lastDot(s); dot > 0 {
		return address{s, s, p.arena.join(s[:dot], ".0/24")}, true
	}
	if n := p.nets.find(s); n != nil {
		return p.arena.address(n), true
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		if ip, err = netip.ParseAddr(withoutPort(s)); err != nil {
			return address{}, false
		}
	}
	if ip.Zone() != "" {
		return address{}, false
	}
	n := p.nets.take(s, ip.Unmap())
	return p.arena.address(n), true
}

// lastDot returns where the last dot of an IPv4 address stands, and 0 when s is
// none. It knows no spelling but the canonical one, as netip does: four
// decimals below 256 without leading zeros.
func lastDot(s string) int {
	if len(s) < len("0.0.0.0") || len(s) > len("255.255.255.255") {
		return 0
	}
	n, digits, dots, last := 0, 0, 0, 0
	for i := range len(s) {
		c := s[i]
		if d := c - '0'; d < 10 {
			if digits > 0 && n == 0 {
				return 0
			}
			n = n*10 + int(d)
			if digits++; n > 255 {
				return 0
			}
			continue
		}
		if c != '.' || digits == 0 {
			return 0
		}
		n, digits, dots, last = 0, 0, dots+1, i
	}
	if dots != 3 || digits == 0 {
		return 0
	}
	return last
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
