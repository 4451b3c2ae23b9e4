package policy

import (
	"fmt"
	"net/netip"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
)

// ParseKey reads an offender's key of an address or prefix group: an IPv4 or IPv6
// address, or a prefix. IPv4-mapped addresses are unmapped.
func ParseKey(key string) (netip.Prefix, error) {
	p, err := lists.ParsePrefix(key)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("key is no address or prefix: %w", err)
	}
	return p, nil
}

// Key is how detect names a prefix: a host without its length, all else with it.
func Key(p netip.Prefix) string {
	if p.IsValid() && p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Questions says what detect has to be asked about the present blocks: the
// requests since the block took hold, but no longer ago than the rule's window, so that a burst
// that has ended does not keep its block alive for ever. Entries that no rule in actions
// could extend are left out. to is T, the end of the windows.
func Questions(present []Block, actions map[string]Action, s Settings, to time.Time) []detect.Present {
	s = s.WithDefaults()
	var qs []detect.Present
	for _, b := range present {
		a, ok := actions[b.Rule]
		if !ok || a.Report || b.Kind != a.kind() {
			continue
		}
		from := b.Since.Add(s.Propagation)
		if windowStart := to.Add(-a.Window); a.Window > 0 && from.Before(windowStart) {
			from = windowStart
		}
		qs = append(qs, detect.Present{Key: Key(b.Prefix), Rule: b.Rule, From: from})
	}
	return qs
}

// kind is the kind of entry the action makes.
func (a Action) kind() Kind {
	if a.Enforce {
		return KindBlock
	}
	return KindShadow
}
