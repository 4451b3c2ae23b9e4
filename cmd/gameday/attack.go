package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// attack is one attacker.
type attack struct {
	rng     *rand.Rand
	label   label
	target  netip.Prefix // what a block has to cover; invalid when no block of addresses can help, or must
	addr    func(*rand.Rand) netip.Addr
	ask     func(*rand.Rand) (method, path string, status int)
	device  func(*rand.Rand) device
	claims  netip.Addr // see request
	country string
	asn     int
	rate    int // requests a minute
	from    int // minutes
	to      int
	returns span // when it comes back
	presses bool // goes on while it is blocked; others give up for good a few minutes after they notice
	gives   int  // minutes until it gives up
	gaveUp  bool
}

func (a *attack) minute(n int, start time.Time, blocked func(netip.Addr) bool) []request {
	if (n < a.from || n >= a.to) && !a.returns.has(n) {
		return nil
	}
	if !a.presses && a.target.IsValid() && blocked(a.addr(a.rng)) {
		a.gives--
		a.gaveUp = a.gaveUp || a.gives <= 0
	}
	if a.gaveUp {
		return nil
	}
	out := make([]request, 0, a.rate)
	for range a.rate {
		r := request{addr: a.addr(a.rng), label: a.label, country: a.country, asn: a.asn, device: a.device(a.rng), at: within(a.rng, start), id: newID(a.rng), claims: a.claims}
		r.method, r.path, r.status = a.ask(a.rng)
		out = append(out, r)
	}
	return out
}

// scan asks for what might have been left lying about.
func scan(rng *rand.Rand) (method, path string, status int) {
	return "GET", fmt.Sprintf("/%s/%s%d%s", pick(rng, "backup", "old", ".git", "wp-admin", "api"), pick(rng, "db", "config", "admin"), rng.IntN(4000), pick(rng, ".sql", ".zip", ".php", "")), 404
}

// fuzz sends what the service refuses.
func fuzz(rng *rand.Rand) (method, path string, status int) {
	return "POST", fmt.Sprintf("/api/order/%d", rng.IntN(30)), pick(rng, 400, 400, 403, 422)
}

// one always gives the same.
func one[T any](v T) func(*rand.Rand) T { return func(*rand.Rand) T { return v } }

// among gives any of them.
func among[T any](vs []T) func(*rand.Rand) T {
	return func(rng *rand.Rand) T { return vs[rng.IntN(len(vs))] }
}

// anyOf gives a new address of a /64 each time.
func anyOf(p netip.Prefix) func(*rand.Rand) netip.Addr {
	return func(rng *rand.Rand) netip.Addr {
		a := p.Addr().As16()
		for i := 8; i < 16; i++ {
			a[i] = byte(rng.IntN(256))
		}
		return netip.AddrFrom16(a)
	}
}
