package acl

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"edgewarden/internal/policy"
)

// DefaultOwner is the owner in marks when none is configured.
const DefaultOwner = "edgewarden"

// The names of the short form, when no others are configured.
const (
	DefaultBlock   = "edgewarden_1"
	DefaultExempt  = "edgewarden_exempt"
	DefaultShadow  = "edgewarden_shadow"
	DefaultControl = "edgewarden_control"
)

// assumedID stands for a container that was not looked up.
const assumedID = "assumed"

// Target names what a run may touch.
type Target struct {
	ServiceID string
	ACLs      []string // block ACLs, in order
	Exempt    string   // "" means edgewarden_exempt
	Shadow    string   // "" means edgewarden_shadow
	Control   string   // edge dictionary; "" means edgewarden_control
	Owner     string   // "" means edgewarden
}

// filled gives t with its defaults.
func (t Target) filled() Target {
	t.Exempt = cmp.Or(t.Exempt, DefaultExempt)
	t.Shadow = cmp.Or(t.Shadow, DefaultShadow)
	t.Control = cmp.Or(t.Control, DefaultControl)
	t.Owner = cmp.Or(t.Owner, DefaultOwner)
	return t
}

// validate returns all problems of a target that is to be read.
func (t Target) validate() error {
	var errs []error
	if t.ServiceID == "" {
		errs = append(errs, errors.New("service id is missing"))
	}
	if len(t.ACLs) == 0 {
		errs = append(errs, errors.New("no block ACL is named"))
	}
	errs = append(errs, CheckOwner(t.Owner))
	seen := map[string]bool{}
	for _, n := range append(slices.Clone(t.ACLs), t.Exempt, t.Shadow) {
		if n == "" || seen[n] {
			errs = append(errs, fmt.Errorf("ACL name %q is empty or named twice: block, exempt and shadow ACLs must differ", n))
		}
		seen[n] = true
	}
	return errors.Join(errs...)
}

// Entry is one row of an ACL.
type Entry struct {
	ID        string
	ACL       string // name
	ACLID     string
	Prefix    netip.Prefix // canonical; a host is /32 or /128; the zero Prefix when Fastly's row has no address we can read
	Negated   bool
	Comment   string
	CreatedAt time.Time
	Ours      bool
	Mark      Mark
	MarkErr   error // ours, but unreadable
}

// List is one ACL as found.
type List struct {
	Name       string
	ID         string // "" when the active version has no such ACL
	Referenced bool   // the active version's generated VCL or snippets name it (true when that cannot be read)
	Entries    []Entry
}

// Snapshot is the complete present state of one service. It is never partial: Read fails instead.
type Snapshot struct {
	Target       Target
	Version      int // active version; 0 when nothing was read
	Blocks       []List
	Exempt       List
	Shadow       List
	ControlID    string        // "" when the dictionary is missing
	EnforceUntil time.Time     // zero when unset
	Stopped      string        // "<unix> <actor>"; "" when not stopped
	Skew         time.Duration // our clock minus Fastly's Date header
	NoDate       bool          // no reply had a Date header, so Skew says nothing
	ReadAt       time.Time
}

// EmptySnapshot stands for "nothing present", for a dry run without a service. Its ACLs are taken to exist, so that a
// plan shows what would be written; it cannot be applied.
func EmptySnapshot(t Target) *Snapshot {
	t = t.filled()
	if len(t.ACLs) == 0 {
		t.ACLs = []string{DefaultBlock}
	}
	s := &Snapshot{Target: t, ControlID: assumedID}
	for _, n := range t.ACLs {
		s.Blocks = append(s.Blocks, List{Name: n, ID: assumedID, Referenced: true})
	}
	s.Exempt = List{Name: t.Exempt, ID: assumedID, Referenced: true}
	s.Shadow = List{Name: t.Shadow, ID: assumedID, Referenced: true}
	return s
}

// lists gives all lists in the order block, exempt, shadow.
func (s *Snapshot) lists() []*List {
	out := make([]*List, 0, len(s.Blocks)+2)
	for i := range s.Blocks {
		out = append(out, &s.Blocks[i])
	}
	return append(out, &s.Exempt, &s.Shadow)
}

// role is what the ACLs of a snapshot are for.
type role int

// The roles, in the order in which creates are written: an exemption acts before the block it exempts from.
const (
	roleExempt role = iota
	roleBlock
	roleShadow
)

func roleOf(k policy.Kind) role {
	switch k {
	case policy.KindExempt, policy.KindAllow:
		return roleExempt
	case policy.KindShadow:
		return roleShadow
	}
	return roleBlock
}

// of gives the lists of a role, in order.
func (s *Snapshot) of(r role) []*List {
	switch r {
	case roleExempt:
		return []*List{&s.Exempt}
	case roleShadow:
		return []*List{&s.Shadow}
	}
	out := make([]*List, 0, len(s.Blocks))
	for i := range s.Blocks {
		out = append(out, &s.Blocks[i])
	}
	return out
}

// Missing names what the active version does not have. A run that writes needs all but the shadow ACL.
func (s *Snapshot) Missing() (vital []string, shadow bool) {
	for _, l := range append(s.of(roleBlock), &s.Exempt) {
		if l.ID == "" {
			vital = append(vital, "ACL "+l.Name)
		}
	}
	if s.ControlID == "" {
		vital = append(vital, "dictionary "+s.Target.Control)
	}
	return vital, s.Shadow.ID == ""
}

// Present gives the readable entries of ours in policy's terms, one per kind and prefix: of duplicates the one that
// Diff keeps.
func (s *Snapshot) Present() []policy.Block {
	type key struct {
		kind   policy.Kind
		prefix netip.Prefix
	}
	best := map[key]Entry{}
	var order []key
	for _, l := range s.lists() {
		for _, e := range l.Entries {
			if !e.Ours || e.MarkErr != nil {
				continue
			}
			k := key{e.Mark.Kind, e.Prefix}
			old, there := best[k]
			if !there {
				order = append(order, k)
			}
			if !there || outlives(e, old) {
				best[k] = e
			}
		}
	}
	out := make([]policy.Block, 0, len(order))
	for _, k := range order {
		m := best[k].Mark
		out = append(out, policy.Block{Prefix: k.prefix, Kind: m.Kind, Rule: m.Rule, Since: m.Since, Until: m.Until, Strikes: m.Strikes, Run: m.Run})
	}
	slices.SortStableFunc(out, func(a, b policy.Block) int {
		return cmp.Or(comparePrefix(a.Prefix, b.Prefix), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// outlives orders duplicates: no expiry first, then the later one, then the older entry, then the id. Every run that
// sees the same two entries prefers the same one, so two runs at once never remove both.
func outlives(a, b Entry) bool {
	if c := compareUntil(a.Mark.Until, b.Mark.Until); c != 0 {
		return c > 0
	}
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) < 0
}

// compareUntil compares expiries; none is the latest.
func compareUntil(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Covering returns every entry, foreign or ours, of the block ACLs that covers p (not negated).
func (s *Snapshot) Covering(p netip.Prefix) []Entry {
	p = canonical(p)
	var out []Entry
	for _, l := range s.of(roleBlock) {
		for _, e := range l.Entries {
			if !e.Negated && covers(e.Prefix, p) {
				out = append(out, e)
			}
		}
	}
	return out
}

// Inside returns every entry, foreign or ours, of the block ACLs that lies in p and is narrower (not negated).
func (s *Snapshot) Inside(p netip.Prefix) []Entry {
	p = canonical(p)
	var out []Entry
	for _, l := range s.of(roleBlock) {
		for _, e := range l.Entries {
			if !e.Negated && e.Prefix != p && covers(p, e.Prefix) {
				out = append(out, e)
			}
		}
	}
	return out
}

// covers reports whether every address of p is in e.
func covers(e, p netip.Prefix) bool {
	return e.IsValid() && p.IsValid() && e.Bits() <= p.Bits() && e.Contains(p.Addr())
}

// canonical masks p and unmaps IPv4-mapped IPv6; what is not an address at all is the zero Prefix.
func canonical(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return netip.Prefix{}
	}
	a, bits := p.Addr().WithZone(""), p.Bits()
	if a.Is4In6() {
		if bits < 96 {
			return netip.PrefixFrom(a, bits).Masked()
		}
		a, bits = a.Unmap(), bits-96
	}
	return netip.PrefixFrom(a, bits).Masked()
}
