package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// actor makes the requests of minute n, which begins at start. blocked tells what the edge refuses now: most attackers notice.
type actor interface {
	minute(n int, start time.Time, blocked func(netip.Addr) bool) []request
}

// crowd is people who come, ask for a few pages and leave. How much one asks for is heavy-tailed, as in real access logs of a
// public site: half of the visitors make two requests, one in ten more than eight, one in a hundred more than fifty.
type crowd struct {
	rng      *rand.Rand
	label    label
	arrivals int // people a minute
	least    int // requests of one
	from, to int // minutes
	later    map[int][]request
}

const longestVisit = 10 // minutes

func (c *crowd) minute(n int, start time.Time, _ func(netip.Addr) bool) []request {
	if c.later == nil {
		c.later = map[int][]request{}
	}
	if n >= c.from && n < c.to {
		for range c.arrivals {
			c.visit(n, start)
		}
	}
	out := c.later[n]
	delete(c.later, n)
	return out
}

// visit spreads the requests of one person over the coming minutes.
func (c *crowd) visit(n int, start time.Time) {
	size := min(150, c.least-1+int(1.2*math.Pow(1-c.rng.Float64(), -1/1.2)))
	stay := 1 + c.rng.IntN(longestVisit)
	if size < 3 {
		stay = 1
	}
	who := request{addr: person(c.rng), label: c.label, country: pick(c.rng, "DE", "FR", "NL", "GB"), asn: 64496 + c.rng.IntN(8), device: newDevice(c.rng)}
	for range size {
		m := c.rng.IntN(stay)
		r := who
		r.at, r.id = within(c.rng, start.Add(time.Duration(m)*time.Minute)), newID(c.rng)
		r.method, r.path, r.status = browse(c.rng)
		c.later[n+m] = append(c.later[n+m], r)
	}
}

// person is an address of a household: IPv4 of 198.18.0.0/16 (RFC 2544), or IPv6. Nobody bad lives there.
func person(rng *rand.Rand) netip.Addr {
	if rng.IntN(4) == 0 {
		return household(rng, 0x1000+rng.IntN(0x1000))
	}
	return netip.AddrFrom4([4]byte{198, 18, byte(rng.IntN(200)), byte(1 + rng.IntN(254))})
}

// household is an IPv6 address of a /64 of its own in 2001:db8:X::/48 (RFC 3849).
func household(rng *rand.Rand, x int) netip.Addr {
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8, byte(x >> 8), byte(x)}
	binary.BigEndian.PutUint16(a[6:], uint16(rng.IntN(1<<16)))
	binary.BigEndian.PutUint16(a[14:], uint16(rng.IntN(1<<16)))
	return netip.AddrFrom16(a)
}

// shared is addresses that many people share: an office, or a carrier. Its rate swells in the flash sale.
type shared struct {
	rng     *rand.Rand
	label   label
	addrs   []netip.Addr
	devices []device
	rate    int // requests a minute, of all addresses together
	swell   int // the same in the flash sale
	sale    span
}

func (s *shared) minute(n int, start time.Time, _ func(netip.Addr) bool) []request {
	rate := s.rate
	if s.sale.has(n) {
		rate = s.swell
	}
	rate = rate*3/4 + s.rng.IntN(max(1, rate/2)) // no minute is like another
	out := make([]request, 0, rate)
	for range rate {
		r := request{addr: pick(s.rng, s.addrs...), label: s.label, country: "DE", asn: 64500, device: pick(s.rng, s.devices...), at: within(s.rng, start), id: newID(s.rng)}
		r.method, r.path, r.status = browse(s.rng)
		out = append(out, r)
	}
	return out
}

// robot is a search engine's: it asks for all that was ever there, evenly and fast.
type robot struct {
	rng   *rand.Rand
	addrs []netip.Addr
	rate  int // a minute, of each address
	gone  int // of a hundred requests
	count int
}

// crawlerDevice is what the robot says it is. The scanner says so, too.
const crawlerAgent = "Mozilla/5.0 (compatible; Demobot/2.1; +http://bot.example.com/)"

func (b *robot) minute(_ int, start time.Time, _ func(netip.Addr) bool) []request {
	var out []request
	for _, a := range b.addrs {
		for range b.rate {
			b.count++
			r := request{addr: a, label: crawler, country: "US", asn: 64505, device: device{crawlerAgent, "t13d0001h2_00000000000b_00000000000c"}, at: within(b.rng, start),
				id: newID(b.rng), method: "GET", path: fmt.Sprintf("/article/%d", b.count), status: 200}
			if b.rng.IntN(100) < b.gone {
				r.path, r.status = fmt.Sprintf("/old/%d", b.count), 404
			}
			out = append(out, r)
		}
	}
	return out
}
