package parse_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// FuzzAddress checks the short ways of reading an address, for IPv4 and for one
// seen before, against net/netip.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"198.51.100.7", "0.0.0.0", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1..2.3", "1.2.3.", ".1.2.3", "1.2.3.0004", "2001:db8::1", "2001:DB8:0:0::1", "::ffff:1.2.3.4", "fe80::1%eth0"} {
		f.Add(s)
	}
	p := parse.New()
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\"\\[]-()") || s == "" || s != strings.ToValidUTF8(s, "") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
			return
		}
		want := ""
		if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
			want = counted(ip.Unmap())
		} else if host, port, ok := strings.Cut(s, ":"); ok && port != "" {
			return // TestAddresses has those with a port
		} else if host != s {
			return
		}
		for range 2 {
			var r record.Record
			p.Parse([]byte(`{"client_ip":"`+s+`","status":200}`), parse.Meta{Received: received}, &r)
			got := ""
			if r.ClientIP != "" {
				got = r.ClientIP + " " + r.ClientKey + " " + r.ClientPrefix
			}
			if got != want || (want == "") != (r.Problem == parse.ProblemAddress) {
				t.Errorf("%q: %q (%s), want %q", s, got, r.Problem, want)
			}
		}
	})
}

func counted(ip netip.Addr) string {
	if ip.Is4() {
		return fmt.Sprintf("%s %s %s", ip, ip, netip.PrefixFrom(ip, 24).Masked())
	}
	return fmt.Sprintf("%s %s %s", ip, netip.PrefixFrom(ip, 64).Masked(), netip.PrefixFrom(ip, 56).Masked())
}

// More addresses than are remembered, each in several spellings, take each
// other's places and are read right all the same.
func TestManyAddresses(t *testing.T) {
	p := parse.New()
	for round := range 3 {
		for i := range 5000 {
			a := [16]byte{0x20, 1, 0xd, 0xb8, byte(i), byte(i >> 8), byte(i), 3, 15: byte(i)}
			ip := netip.AddrFrom16(a)
			for _, s := range []string{ip.String(), ip.StringExpanded(), strings.ToUpper(ip.String())} {
				var r record.Record
				p.Parse([]byte(`{"client_ip":"`+s+`"}`), parse.Meta{Received: received}, &r)
				if got := r.ClientIP + " " + r.ClientKey + " " + r.ClientPrefix; got != counted(ip) {
					t.Fatalf("round %d: %s: %s, want %s", round, s, got, counted(ip))
				}
			}
		}
	}
}

// A text that is long but an address is read, and one beyond any address costs
// no memory.
func TestAddressesOfAllLengths(t *testing.T) {
	long := "1111:2222:3333:4444:5555:6666:7777:8888"
	for in, want := range map[string]string{
		long: long, "[" + long + "]:65535": long, "1111:2222:3333:4444:5555:6666:255.255.255.255": "1111:2222:3333:4444:5555:6666:ffff:ffff",
		strings.Repeat(long, 3): "",
	} {
		p := parse.New()
		for range 2 {
			var r record.Record
			p.Parse([]byte(`{"client_ip":"`+in+`","status":200}`), parse.Meta{Received: received}, &r)
			if r.ClientIP != want {
				t.Errorf("%s: %q, want %q", in, r.ClientIP, want)
			}
		}
	}
}
