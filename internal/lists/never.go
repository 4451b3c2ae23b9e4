package lists

import "net/netip"

// reserved are the addresses that are nobody's on the public internet, or everybody's: a block of one
// hits something other than a visitor, or thousands of them at once: a client of IPv6 is told by its /64, and a gateway puts
// all of IPv4 into one. Source: IANA's special-purpose address registries,
// https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry.
// The documentation ranges are left out on purpose: rehearsals and tests block them.
// ::ffff:0:0/96 is not here because it is the IPv4 internet under another name.
var reserved = []struct{ prefix, reason string }{
	{"0.0.0.0/8", "this network, RFC 791"},
	{"10.0.0.0/8", "private, RFC 1918"},
	{"100.64.0.0/10", "carrier-grade NAT, RFC 6598"},
	{"127.0.0.0/8", "loopback, RFC 1122"},
	{"169.254.0.0/16", "link-local, RFC 3927"},
	{"172.16.0.0/12", "private, RFC 1918"},
	{"192.168.0.0/16", "private, RFC 1918"},
	{"224.0.0.0/4", "multicast, RFC 5771"},
	{"240.0.0.0/4", "reserved and broadcast, RFC 1112 and 919"},
	{"::/96", "IPv4-compatible, RFC 4291: one /64 for all of IPv4"},
	{"64:ff9b::/96", "NAT64, RFC 6052: one /64 for all of IPv4"},
	{"64:ff9b:1::/48", "NAT64 of a network's own, RFC 8215"},
	{"2001::/32", "Teredo, RFC 4380: one /64 for all clients of a server"},
	{"2002::/16", "6to4, RFC 3056: a /64 holds what is behind one IPv4 address, and nothing routes back"},
	{"::/128", "unspecified, RFC 4291"},
	{"::1/128", "loopback, RFC 4291"},
	{"fc00::/7", "unique local, RFC 4193"},
	{"fe80::/10", "link-local, RFC 4291"},
	{"fec0::/10", "site-local, RFC 3879"},
	{"ff00::/8", "multicast, RFC 4291"},
}

// NeverBlock returns the built-in set: private, loopback, link-local, CGNAT, multicast, unspecified and the embedded
// snapshot of Fastly's public ranges (not the documentation ranges). Entries have no expiry.
func NeverBlock() []Entry {
	return append(Reserved(), FastlySnapshot()...)
}

// Reserved returns the never-block set without Fastly's ranges, for callers that
// have a fresher list of those.
func Reserved() []Entry {
	entries := make([]Entry, 0, len(reserved))
	for _, r := range reserved {
		entries = append(entries, Entry{Prefix: netip.MustParsePrefix(r.prefix), Reason: r.reason, List: NeverList})
	}
	return entries
}

// Egress returns entries for our own egress addresses, which are never blocked.
func Egress(prefixes ...netip.Prefix) []Entry {
	entries := make([]Entry, 0, len(prefixes))
	for _, p := range prefixes {
		entries = append(entries, Entry{Prefix: p, Reason: "our own egress", List: EgressList})
	}
	return entries
}
