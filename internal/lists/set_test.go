package lists_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"edgewarden/internal/lists"
)

var now = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

func p(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func entry(prefix, reason string, until time.Time) lists.Entry {
	return lists.Entry{Prefix: p(prefix), Reason: reason, Until: until, List: lists.Allowlist}
}

func TestOverlaps(t *testing.T) {
	forever := time.Time{}
	for _, c := range []struct {
		name    string
		entries []lists.Entry
		ask     string
		want    string // the reason, or none
	}{
		{"an empty set covers nothing", nil, "203.0.113.9/32", ""},
		{"a listed /24 covers a host in it", []lists.Entry{entry("203.0.113.0/24", "net", forever)}, "203.0.113.9/32", "net"},
		{"a listed host is hit by a /24 around it", []lists.Entry{entry("203.0.113.9/32", "host", forever)}, "203.0.113.0/24", "host"},
		{"a listed host is hit by itself", []lists.Entry{entry("203.0.113.9/32", "host", forever)}, "203.0.113.9/32", "host"},
		{"a neighbour is not", []lists.Entry{entry("203.0.113.9/32", "host", forever)}, "203.0.113.8/32", ""},
		{"host bits of the question do not matter", []lists.Entry{entry("203.0.113.0/25", "net", forever)}, "203.0.113.200/24", "net"},
		{"host bits of an entry do not matter", []lists.Entry{entry("203.0.113.77/24", "net", forever)}, "203.0.113.200/32", "net"},
		{"of covering entries the most specific speaks", []lists.Entry{entry("203.0.0.0/16", "wide", forever), entry("203.0.113.0/24", "net", forever)}, "203.0.113.9/32", "net"},
		{"of covered entries the most specific speaks", []lists.Entry{entry("203.0.113.0/25", "half", forever), entry("203.0.113.200/32", "host", forever)}, "203.0.113.0/24", "host"},
		{"a covered entry is more specific than a covering one", []lists.Entry{entry("203.0.0.0/16", "wide", forever), entry("203.0.113.200/32", "host", forever)}, "203.0.113.0/24", "host"},
		{"an expired entry is passed over", []lists.Entry{entry("203.0.113.9/32", "host", now), entry("203.0.113.0/24", "net", now.Add(1))}, "203.0.113.9/32", "net"},
		{"an entry that expired behind a valid one of the same prefix does not hide it", []lists.Entry{entry("203.0.113.9/32", "old", now.Add(-1)), entry("203.0.113.9/32", "new", forever)}, "203.0.113.9/32", "new"},
		{"an IPv4-mapped entry is the IPv4 address", []lists.Entry{entry("::ffff:203.0.113.9/128", "mapped", forever)}, "203.0.113.9/32", "mapped"},
		{"an IPv4-mapped question is the IPv4 address", []lists.Entry{entry("203.0.113.0/24", "net", forever)}, "::ffff:203.0.113.9/128", "net"},
		{"all of IPv6 is none of IPv4", []lists.Entry{entry("203.0.113.0/24", "net", forever)}, "::/0", ""},
		{"all of IPv4 is none of IPv6", []lists.Entry{entry("2001:db8::/32", "six", forever)}, "0.0.0.0/0", ""},
		{"all of IPv6 hits every IPv6 entry", []lists.Entry{entry("2001:db8::/32", "six", forever)}, "::/0", "six"},
		{"a listed ::/0 covers IPv6", []lists.Entry{entry("::/0", "all", forever)}, "2001:db8::1/128", "all"},
		{"a listed ::/0 does not cover IPv4", []lists.Entry{entry("::/0", "all", forever)}, "203.0.113.9/32", ""},
		{"a /64 is hit by its host", []lists.Entry{entry("2001:db8:1:2::/64", "net", forever)}, "2001:db8:1:2::9/128", "net"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, ok := lists.New(c.entries...).Overlaps(p(c.ask), now)
			if e.Reason != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %v, want %q", e.Reason, ok, c.want)
			}
		})
	}
}

func TestCoversWantsAllOfThePrefix(t *testing.T) {
	s := lists.New(entry("203.0.113.0/25", "half", time.Time{}))
	if e, ok := s.Covers(p("203.0.113.9/32"), now); !ok || e.Reason != "half" {
		t.Error("a host in the half is covered")
	}
	if _, ok := s.Covers(p("203.0.113.0/24"), now); ok {
		t.Error("the whole is not covered by its half")
	}
}

func TestNothingIsNotAPrefix(t *testing.T) {
	var none *lists.Set
	if _, ok := none.Overlaps(p("0.0.0.0/0"), now); ok || none.Entries() != nil {
		t.Error("a nil set is empty")
	}
	if _, ok := none.Covers(p("0.0.0.0/0"), now); ok {
		t.Error("a nil set covers nothing")
	}
	s := lists.New(lists.Entry{Reason: "no prefix"}, entry("0.0.0.0/0", "all", time.Time{}))
	if len(s.Entries()) != 1 {
		t.Error("an entry without a prefix is left out")
	}
	if _, ok := s.Overlaps(netip.Prefix{}, now); ok {
		t.Error("no prefix overlaps nothing")
	}
}

func TestEntriesAreInAStableOrder(t *testing.T) {
	entries := []lists.Entry{
		entry("10.0.0.0/8", "a", time.Time{}), entry("10.0.0.0/16", "b", time.Time{}), entry("203.0.113.9/32", "c", time.Time{}), entry("::1/128", "d", time.Time{}),
		entry("2001:db8::/32", "e", now),
	}
	for seed := range uint64(20) {
		mixed := slices.Clone(entries)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if got := lists.New(mixed...).Entries(); !slices.Equal(got, entries) {
			t.Fatalf("got %v", got)
		}
	}
}

func TestASetIsImmutable(t *testing.T) {
	given := []lists.Entry{entry("203.0.113.9/32", "before", time.Time{})}
	s := lists.New(given...)
	given[0].Reason = "after"
	s.Entries()[0].Reason = "after"
	if e, _ := s.Overlaps(p("203.0.113.9/32"), now); e.Reason != "before" || s.Entries()[0].Reason != "before" {
		t.Error("a change outside reached the set")
	}
}

// TestOverlapsAgreesWithAPlainLoop compares with netip on random prefixes.
func TestOverlapsAgreesWithAPlainLoop(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() netip.Prefix {
		if r.IntN(2) == 0 {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(3)), byte(r.IntN(4))}), r.IntN(33)).Masked()
		}
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(2)), 7: byte(r.IntN(3)), 15: byte(r.IntN(3))}), r.IntN(129)).Masked()
	}
	for range 3000 {
		var entries []lists.Entry
		for i := range r.IntN(8) {
			e := lists.Entry{Prefix: random(), Reason: fmt.Sprint(i)}
			if r.IntN(4) == 0 {
				e.Until = now
			}
			entries = append(entries, e)
		}
		ask, bits := random(), -1
		for _, e := range entries {
			if e.Until.IsZero() && e.Prefix.Overlaps(ask) {
				bits = max(bits, e.Prefix.Bits())
			}
		}
		e, ok := lists.New(entries...).Overlaps(ask, now)
		if ok != (bits >= 0) || ok && e.Prefix.Bits() != bits {
			t.Fatalf("%v in %v: got %v %v, want /%d", ask, entries, e, ok, bits)
		}
	}
}

func TestNeverBlock(t *testing.T) {
	s := lists.New(lists.NeverBlock()...)
	for _, host := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "224.0.0.1",
		"239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "febf::1", "fc00::1", "fdff::1", "ff02::1", "::ffff:10.0.0.1",
		"23.235.32.1", "151.101.1.1", "167.82.128.7", "199.232.255.255", "2a04:4e40::1", "2a04:4e42:ffff::1",
	} {
		prefix, err := lists.ParsePrefix(host)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := s.Overlaps(prefix, now)
		if !ok || e.Reason == "" || e.List == "" {
			t.Errorf("%s can be blocked: %+v", host, e)
		}
	}
	for _, host := range []string{"192.0.2.1", "198.51.100.1", "203.0.113.9", "2001:db8::1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "11.0.0.1", "2600::1", "::ffff:203.0.113.9", "151.102.0.1"} {
		prefix, err := lists.ParsePrefix(host)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := s.Overlaps(prefix, now); ok {
			t.Errorf("%s cannot be blocked because of %s", host, e.Prefix)
		}
	}
	if e := lists.Egress(p("192.0.2.10/32")); len(e) != 1 || e[0].Reason == "" || e[0].List != lists.EgressList {
		t.Errorf("egress: %+v", e)
	}
}

func BenchmarkOverlaps(b *testing.B) {
	var entries []lists.Entry
	for i := range 10_000 {
		entries = append(entries, lists.Entry{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i%100), byte(i / 100), byte(i), 0}), 24)})
	}
	s := lists.New(append(entries, lists.NeverBlock()...)...)
	host, wide := p("203.0.113.9/32"), p("203.0.113.0/24")
	b.ReportAllocs()
	for b.Loop() {
		s.Overlaps(host, now)
		s.Overlaps(wide, now)
	}
}
