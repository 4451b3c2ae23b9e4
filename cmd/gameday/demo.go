package main

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// client is one address of the demo with the traffic it makes.
type client struct {
	addr    netip.Addr
	label   label
	country string
	asn     int
	devices []device
	perMin  int // requests a minute
	from    int // first minute it is active
}

// Traffic shapes. The office makes more requests than any single person and fewer than an attacker; people forget
// passwords. A rule that blocks the office or a person is wrong; one that spares the flood or the brute force is wrong too.
const (
	humans        = 240
	officeDevices = 40
	attackFrom    = 4 // minute of the rehearsal in which the attacks begin
	minutes       = 12
)

// clients makes the demo's cast. Addresses are from the documentation ranges (RFC 5737, RFC 3849).
func clients(rng *rand.Rand) []client {
	var cast []client
	for i := range humans {
		c := client{label: human, country: pick(rng, "DE", "FR", "NL", "GB"), asn: 64496 + rng.IntN(8), perMin: 2 + rng.IntN(5), devices: devices(rng, 1)}
		if i%4 == 0 {
			c.addr = household(rng, 1+i)
		} else {
			c.addr = netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)})
		}
		cast = append(cast, c)
	}
	attackers := rng.Perm(250)
	bad := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + attackers[i])}) }
	return append(cast,
		client{addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(between(rng, 1, 250))}), label: office, country: "DE", asn: 64500, perMin: between(rng, 200, 270), devices: devices(rng, officeDevices)},
		client{addr: bad(0), label: flood, country: "ZZ", asn: 64510, perMin: between(rng, 1300, 1700), devices: devices(rng, 1), from: attackFrom},
		client{addr: bad(1), label: brute, country: "ZZ", asn: 64511, perMin: between(rng, 35, 60), devices: devices(rng, 1), from: attackFrom},
	)
}

// minute makes the requests of one minute, in time order.
func minute(rng *rand.Rand, cast []client, n int, start time.Time) []request {
	var out []request
	for _, c := range cast {
		if n < c.from {
			continue
		}
		for range c.perMin {
			r := request{addr: c.addr, label: c.label, country: c.country, asn: c.asn, at: within(rng, start), device: pick(rng, c.devices...), id: newID(rng)}
			switch c.label {
			case flood:
				r.method, r.path, r.status = searchFlood(rng)
			case brute:
				r.method, r.path, r.status = guess(rng)
			default:
				r.method, r.path, r.status = browse(rng)
			}
			out = append(out, r)
		}
	}
	sortByTime(out)
	return out
}
