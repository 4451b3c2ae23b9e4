package acltest

import (
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Blocked does at service SVC1 what edgewarden's VCL does at the edge: an address in the exempt ACL passes; else one in
// a block ACL is refused while now is before enforce_until.
func (s *Server) Blocked(ip netip.Addr, now time.Time) bool {
	blocked, _ := s.Verdict(Service, ip, now)
	return blocked
}

// Verdict is Blocked for any service, and whether the shadow ACL matches an address that passes. Block ACLs are all but
// the exempt and the shadow one.
func (s *Server) Verdict(service string, ip netip.Addr, now time.Time) (blocked, wouldBlock bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.services[service]
	if svc == nil || svc.active() == nil {
		return false, false
	}
	v, ip := svc.active(), ip.Unmap()
	if a := svc.acls[v.acls[Exempt]]; a != nil && a.matches(ip) {
		return false, false
	}
	if now.Unix() < s.enforceUntil(svc, v) {
		for name, id := range v.acls {
			if name != Exempt && name != Shadow && svc.acls[id].matches(ip) {
				return true, false
			}
		}
	}
	a := svc.acls[v.acls[Shadow]]
	return false, a != nil && a.matches(ip)
}

// enforceUntil is the lease in unix seconds; 0 when it is unset or no number, as std.atoi gives.
func (s *Server) enforceUntil(svc *service, v *version) int64 {
	d := svc.dicts[v.dicts[Control]]
	if d == nil || d.items["enforce_until"] == nil {
		return 0
	}
	n, err := strconv.ParseInt(d.items["enforce_until"].value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// matcher answers in as many map look-ups as there are different mask lengths.
type matcher struct {
	yes, no map[netip.Prefix]bool
	lengths []int // of yes and no, IPv4 and IPv6 together
}

// matches applies Fastly's rule for negated entries: they are looked at after all others and always win.
func (a *aclRows) matches(ip netip.Addr) bool {
	if a.match == nil {
		a.match = newMatcher(a.rows)
	}
	return a.match.hit(a.match.yes, ip) && !a.match.hit(a.match.no, ip)
}

func newMatcher(rows []*Entry) *matcher {
	m := &matcher{yes: map[netip.Prefix]bool{}, no: map[netip.Prefix]bool{}}
	for _, e := range rows {
		p := e.Prefix()
		if !p.IsValid() {
			continue
		}
		if e.Negated {
			m.no[p] = true
		} else {
			m.yes[p] = true
		}
		if !slices.Contains(m.lengths, p.Bits()) {
			m.lengths = append(m.lengths, p.Bits())
		}
	}
	return m
}

func (m *matcher) hit(in map[netip.Prefix]bool, ip netip.Addr) bool {
	if len(in) == 0 {
		return false
	}
	for _, n := range m.lengths {
		if p, err := ip.Prefix(n); err == nil && in[p] {
			return true
		}
	}
	return false
}
