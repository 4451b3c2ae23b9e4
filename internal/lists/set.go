package lists

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
)

// The names of the lists, as Entry.List says them.
const (
	Allowlist  = "allowlist"
	NeverList  = "never-block"
	FastlyList = "fastly"
	EgressList = "egress"
	Crawlers   = "crawlers"
)

// Entry is one prefix with the reason it is on a list.
type Entry struct {
	Prefix netip.Prefix
	Reason string
	Until  time.Time // zero means no expiry
	List   string    // "allowlist", "never-block", "fastly", "egress", "crawlers": where it comes from
}

// ValidAt reports whether the entry counts at now. At Until itself it no longer does.
func (e Entry) ValidAt(now time.Time) bool {
	return e.Until.IsZero() || now.Before(e.Until)
}

// Set is an immutable set of entries, looked up by overlap. A nil Set is empty. It
// is safe for concurrent use.
type Set struct {
	table   bart.Table[[]Entry] // one prefix may stand on several lists
	entries []Entry
}

// New builds a set. Prefixes are masked; IPv4-mapped IPv6 is unmapped. An entry
// whose prefix is the zero value covers nothing and is left out; [ParsePrefix] is the
// place where bad text is refused.
func New(entries ...Entry) *Set {
	s := &Set{}
	for _, e := range entries {
		e.Prefix = Canonical(e.Prefix)
		if !e.Prefix.IsValid() {
			continue
		}
		same, _ := s.table.Get(e.Prefix)
		s.table.Insert(e.Prefix, append(slices.Clip(same), e))
		s.entries = append(s.entries, e)
	}
	slices.SortStableFunc(s.entries, func(a, b Entry) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	return s
}

// Overlaps returns an entry valid at now that shares any address with p, the most specific first;
// ok is false when there is none. A nil Set is empty. An invalid p overlaps nothing.
func (s *Set) Overlaps(p netip.Prefix, now time.Time) (e Entry, ok bool) {
	if s == nil {
		return Entry{}, false
	}
	p = Canonical(p)
	if e, ok = mostSpecific(s.table.Subnets(p), now); ok {
		return e, true
	}
	return mostSpecific(s.table.Supernets(p), now)
}

// Covers returns an entry valid at now that contains all of p, the most specific
// first. A nil Set is empty.
func (s *Set) Covers(p netip.Prefix, now time.Time) (e Entry, ok bool) {
	if s == nil {
		return Entry{}, false
	}
	return mostSpecific(s.table.Supernets(Canonical(p)), now)
}

// Entries returns all entries, expired ones too, ordered by address, IPv4 first,
// then from the widest to the narrowest, then as they were given.
func (s *Set) Entries() []Entry {
	if s == nil {
		return nil
	}
	return slices.Clone(s.entries)
}

// mostSpecific takes the longest prefix with a valid entry; of equals, the first.
func mostSpecific(found iter.Seq2[netip.Prefix, []Entry], now time.Time) (best Entry, ok bool) {
	for p, entries := range found {
		if ok && p.Bits() <= best.Prefix.Bits() {
			continue
		}
		if i := slices.IndexFunc(entries, func(e Entry) bool { return e.ValidAt(now) }); i >= 0 {
			best, ok = entries[i], true
		}
	}
	return best, ok
}

// Canonical masks p and turns an IPv4-mapped IPv6 prefix into the IPv4 prefix it
// maps (RFC 4291, 2.5.5.2). An IPv6 prefix shorter than /96 maps no IPv4 prefix and stays
// what it is: ::/0 is all of IPv6 and none of IPv4. The zero Prefix stays invalid.
func Canonical(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}
