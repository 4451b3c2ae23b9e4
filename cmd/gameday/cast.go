package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
)

// cast is everybody of one game, and where they live:
//
//	192.0.2.0/24        offices
//	198.18.0.0/16       people; from 198.18.200.0 on, carriers
//	198.19.0.0/16       the network, and the ring
//	198.51.100.64/27    the crawler
//	203.0.113.0/24      single attackers
//	2001:db8::/32       people, and the rotation
type cast struct {
	actors  []actor
	attacks []*attack // those among them
	ours    netip.Addr
	victims [2]netip.Addr // people whose address strangers forge
}

const crawlerRange = "198.51.100.64/27"

// newCast is a function of the seed alone.
func newCast(seed uint64, times timetable) *cast {
	c := &cast{}
	dice := source(seed, "cast")
	offices := dice.Perm(250)
	officeAt := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + offices[i])}) }
	c.ours = officeAt(0)
	c.victims = [2]netip.Addr{netip.AddrFrom4([4]byte{198, 18, byte(dice.IntN(100)), byte(1 + dice.IntN(254))}), netip.AddrFrom4([4]byte{198, 18, byte(100 + dice.IntN(100)), byte(1 + dice.IntN(254))})}
	c.people(seed, dice, times, officeAt)
	c.single(seed, dice, times)
	c.many(seed, dice, times)
	c.behind(officeAt(1), source(seed, string(snooper)), times)
	for _, a := range c.attacks {
		c.actors = append(c.actors, a)
	}
	return c
}

// source gives everybody dice of his own, so that a change of one leaves the others as they were.
func source(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, name)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func (c *cast) people(seed uint64, dice *rand.Rand, times timetable, officeAt func(int) netip.Addr) {
	c.actors = append(c.actors,
		&crowd{rng: source(seed, "people"), label: human, arrivals: between(dice, 230, 280), least: 1, to: dayEnds},
		&crowd{rng: source(seed, "sale"), label: sale, arrivals: between(dice, 400, 600), least: 6, from: times.sale.from, to: times.sale.to},
		&robot{rng: source(seed, "crawler"), addrs: someOf(dice, netip.MustParsePrefix(crawlerRange), between(dice, 1, 2)), rate: between(dice, 320, 420), gone: between(dice, 8, 25)})
	for i := range 3 { // the first one is ours, on the allowlist
		name := fmt.Sprint("office", i)
		c.actors = append(c.actors, &shared{rng: source(seed, name), label: office, addrs: []netip.Addr{officeAt(i)}, devices: devices(source(seed, name+" devices"), between(dice, 25, 60)),
			rate: between(dice, 80, 240), swell: between(dice, 300, 650), sale: times.sale})
	}
	for i := range 2 {
		name := fmt.Sprint("carrier", i)
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(200 + 20*i + dice.IntN(20)), 0}), 24)
		c.actors = append(c.actors, &shared{rng: source(seed, name), label: carrier, addrs: someOf(dice, p, between(dice, 60, 200)), devices: devices(source(seed, name+" devices"), 900),
			rate: between(dice, 150, 300), swell: between(dice, 1000, 2000), sale: times.sale})
	}
}

// single adds the attackers with one address. The slowest are just above what a rule asks for.
func (c *cast) single(seed uint64, dice *rand.Rand, times timetable) {
	homes := dice.Perm(250)
	add := func(l label, rate int, ask func(*rand.Rand) (string, string, int)) *attack {
		addr := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + homes[len(c.attacks)])})
		a := &attack{rng: source(seed, string(l)), label: l, target: netip.PrefixFrom(addr, 32), addr: one(addr), ask: ask, device: one(newDevice(dice)), country: "ZZ", asn: 64510 + len(c.attacks),
			rate: rate, from: between(dice, times.attacks.from, times.attacks.to), to: between(dice, 70, 100), presses: dice.IntN(2) == 0, gives: between(dice, 2, 10)}
		c.attacks = append(c.attacks, a)
		return a
	}
	add(flood, between(dice, 310, 1200), searchFlood)
	add(brute, between(dice, 5, 50), guess)
	add(scanner, between(dice, 15, 80), scan).device = one(device{crawlerAgent, "t13d0001h2_00000000000b_00000000000c"})
	add(fuzzer, between(dice, 42, 100), fuzz)
	disguised := add(motley, between(dice, 1250, 1400), searchFlood)
	disguised.device, disguised.presses = newDevice, false
	forge := add(forger, between(dice, 310, 600), searchFlood)
	forge.claims = c.victims[0]
	forge.from, forge.to = times.forged.from, 70
	press := add(hammer, between(dice, 310, 600), searchFlood)
	press.presses, press.to = true, dayEnds
	short := add(burst, between(dice, 1000, 1150), searchFlood) // its block is due while ingest is dead
	short.from, short.to = 22, 24
	again := add(returner, between(dice, 1000, 1150), searchFlood)
	again.from, again.to, again.returns = 16, 18, span{66, 68}
	tardy := add(latecome, between(dice, 30, 50), guess)
	tardy.from, tardy.to = times.late.from, dayEnds
	inside := add(insider, between(dice, 10, 40), guess)
	inside.addr, inside.target, inside.country = one(c.ours), netip.Prefix{}, "DE"
}

// many adds the attackers with many addresses.
func (c *cast) many(seed uint64, dice *rand.Rand, times timetable) {
	nets := dice.Perm(256)
	p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, byte(nets[0]), 0}), 24)
	n := between(dice, 22, 28) // at most 90 requests a minute each
	c.attacks = append(c.attacks, &attack{rng: source(seed, string(network)), label: network, target: p, addr: among(someOf(dice, p, n)), ask: searchFlood, device: among(devices(dice, 3)),
		country: "ZZ", asn: 64520, rate: between(dice, 1550, 1980), from: between(dice, times.attacks.from, times.attacks.to), to: between(dice, 50, 90), presses: true})

	six := netip.MustParsePrefix(fmt.Sprintf("2001:db8:f%03x:%x::/64", dice.IntN(1<<12), dice.IntN(1<<16)))
	c.attacks = append(c.attacks, &attack{rng: source(seed, string(rotation)), label: rotation, target: six, addr: anyOf(six), ask: searchFlood, device: one(newDevice(dice)),
		country: "ZZ", asn: 64521, rate: between(dice, 310, 600), from: between(dice, times.attacks.from, times.attacks.to), to: between(dice, 70, 100), presses: dice.IntN(2) == 0, gives: between(dice, 2, 10)})

	var homes []netip.Addr
	for range between(dice, 1400, 1800) {
		homes = append(homes, netip.AddrFrom4([4]byte{198, 19, byte(nets[1+dice.IntN(250)]), byte(1 + dice.IntN(254))}))
	}
	c.attacks = append(c.attacks, &attack{rng: source(seed, string(ring)), label: ring, addr: among(homes), ask: guess, device: among(devices(dice, 2)),
		country: "ZZ", asn: 64522, rate: len(homes) / 4, from: between(dice, times.ring.from, times.ring.to), to: between(dice, 55, 65)})
}

// behind adds who scans from an office: more than a rule asks for, and less than everybody else there does.
func (c *cast) behind(office netip.Addr, dice *rand.Rand, times timetable) {
	from := between(dice, times.attacks.from, times.attacks.to)
	c.attacks = append(c.attacks, &attack{rng: dice, label: snooper, addr: one(office), ask: scan, device: one(newDevice(dice)), country: "DE", asn: 64501,
		rate: between(dice, 16, 30), from: from, to: from + between(dice, 20, 40), presses: true})
}

// someOf gives n different hosts of an IPv4 prefix.
func someOf(dice *rand.Rand, p netip.Prefix, n int) []netip.Addr {
	size := 1 << (32 - p.Bits())
	base := p.Addr().As4()
	var out []netip.Addr
	for _, i := range dice.Perm(size - 2)[:n] {
		a := base
		a[3] += byte(1 + i)
		out = append(out, netip.AddrFrom4(a))
	}
	return out
}
