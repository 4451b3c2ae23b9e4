package parse

import (
	"hash/maphash"
	"net/netip"
)

// nets remembers the addresses that cost most to read, which are those of IPv6:
// the text of one in a line and what it became. It is a table of fixed size with
// one place for each hash. A client that invents addresses, or finds some of one
// hash, takes places from others and makes them be read anew; it gains nothing
// else, since a text is compared as a whole before it is believed.
type nets struct {
	seed maphash.Seed
	all  []net
}

// places is the size of the table; about 45 KiB a parser.
const places = 256

// The longest text of an address that is remembered, as it stands in a line
// ("[…]:65535" included) and in canonical form, with a prefix length.
const (
	maxAddress = len("[1111:2222:3333:4444:5555:6666:7777:8888]:65535")
	maxPrefix  = len("1111:2222:3333:4444:5555:6666:7777:8888/56")
)

// net is one address: its text and what it counts as.
type net struct {
	text            [maxAddress]byte
	ip, key, prefix [maxPrefix]byte
	lengths         [4]uint8 // of the four
}

// find returns what is remembered of an address.
func (t *nets) find(s string) *net {
	if len(t.all) == 0 || len(s) > maxAddress {
		return nil
	}
	n := t.place(s)
	if string(n.text[:n.lengths[0]]) != s || s == "" {
		return nil
	}
	return n
}

func (t *nets) place(s string) *net { return &t.all[maphash.String(t.seed, s)%places] }

// take works out what an address counts as and remembers it under its text.
func (t *nets) take(s string, ip netip.Addr) *net {
	if t.all == nil {
		t.seed, t.all = maphash.MakeSeed(), make([]net, places)
	}
	n := t.place(s)
	n.lengths[0] = 0 // a text that does not fit is never found
	if len(s) <= maxAddress {
		n.lengths[0] = uint8(copy(n.text[:], s))
	}
	n.lengths[1] = uint8(len(ip.AppendTo(n.ip[:0])))
	if ip.Is4() {
		n.key, n.lengths[2] = n.ip, n.lengths[1]
		n.lengths[3] = network(n.prefix[:0], ip, 24)
	} else {
		n.lengths[2] = network(n.key[:0], ip, 64)
		n.lengths[3] = network(n.prefix[:0], ip, 56)
	}
	return n
}

func network(dst []byte, ip netip.Addr, bits int) uint8 {
	// bits is in range for either family, so Prefix cannot fail.
	n, _ := ip.Prefix(bits)
	return uint8(len(n.AppendTo(dst)))
}

// address returns the texts of n.
func (a *arena) address(n *net) address {
	l := n.lengths
	a.room(int(l[1]) + int(l[2]) + int(l[3])) // so that they share a chunk
	return address{a.bytes(n.ip[:l[1]]), a.bytes(n.key[:l[2]]), a.bytes(n.prefix[:l[3]])}
}
