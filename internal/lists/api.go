package lists

import (
	"net/netip"
	"time"
)

// Entry is one prefix with the reason it is on a list.
type Entry struct {
	Prefix netip.Prefix
	Reason string
	Until  time.Time // zero means no expiry
	List   string    // "allowlist", "never-block", "fastly", "crawlers": where it comes from
}

// Set is an immutable set of entries, looked up by overlap.
type Set struct{}

// New builds a set. Prefixes are masked; IPv4-mapped IPv6 is unmapped.
func New(entries ...Entry) *Set { panic("stub") }

// Overlaps returns an entry valid at now that shares any address with p, the most specific first; ok is false when there is none. A nil Set is empty.
func (s *Set) Overlaps(p netip.Prefix, now time.Time) (e Entry, ok bool) { panic("stub") }

// Entries returns all entries in a stable order.
func (s *Set) Entries() []Entry { panic("stub") }

// NeverBlock returns the built-in set: private, loopback, link-local, CGNAT, multicast, unspecified and the embedded
// snapshot of Fastly's public ranges (not the documentation ranges).
func NeverBlock() []Entry { panic("stub") }
