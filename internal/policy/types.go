package policy

import (
	"cmp"
	"net/netip"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
)

// Kind is what an entry at the edge is for.
type Kind string

// The kinds.
const (
	KindBlock  Kind = "block"
	KindExempt Kind = "exempt" // made by unblock: a timed exemption
	KindShadow Kind = "shadow" // decided by a rule in shadow mode
	KindAllow  Kind = "allow"  // an allowlist prefix, copied into the exempt ACL
)

// Block is a present state at the edge, ours and readable.
type Block struct {
	Prefix  netip.Prefix
	Kind    Kind
	Rule    string
	Since   time.Time
	Until   time.Time // zero means no expiry
	Strikes int
	Run     string
}

// Action says what a rule's offenders get.
type Action struct {
	Block      time.Duration // of a first strike; 0 means 1 h
	Enforce    bool          // false is shadow mode
	CountsOnly bool
	Floor      int64          // of what FloorOf names, see detect.Set.Floor; less than 1 means 1
	FloorOf    string         // see detect.Set.FloorOf; empty means requests. Bounded says it
	Window     time.Duration  // the rule's window; 0 means unknown
	Report     bool           // asn and ja4 rules: never blocked
	AllRows    bool           // the rule has no where, so that its measures see all of an address's or prefix's requests
	Asks       []detect.Asked // what its when compares with numbers; empty means unknown, or none: see detect.Set.Asked
}

// Bounded is the counter that the rule bounds by its Floor.
func (a Action) Bounded() string { return cmp.Or(a.FloorOf, "requests") }

// Amount names a number of what the rule bounds: "60 errors", "a weight of 3000".
func (a Action) Amount(n string) string {
	if a.Bounded() == weight {
		return "a weight of " + n
	}
	return n + " " + a.Bounded()
}

// since is how much of what the rule bounds came after a block: its weight, or else its requests, whatever they were
// answered, since those that the block refused cannot have gone well or missed.
func (a Action) since(after detect.After) int64 {
	if a.Bounded() == weight {
		return after.Weight
	}
	return after.Requests
}

// weight is the one measure that is no number of anything.
const weight = "weight"

// Past is what is remembered of an address whose block has ended. It is an alias so
// that what the ledger remembers, declared the same there, fits without a door between the rooms.
type Past = struct {
	Strikes int
	Last    time.Time // when it was last blocked, or its block last moved on
}

// Input is everything a decision is made from.
type Input struct {
	Now           time.Time
	Offenders     []detect.Offender
	After         []detect.After
	Actions       map[string]Action // by rule
	Present       []Block           // all kinds, ours only
	Allow         *lists.Set
	Never         *lists.Set // never-block, Fastly, own egress
	Crawlers      *lists.Set // verified crawlers
	History       map[netip.Prefix]Past
	ShadowHistory map[netip.Prefix]Past // the same for entries in the shadow ACL
	Settings      Settings
	// AllowPartial says that a part of the allowlist could not be read: what the exempt ACL holds of it then counts as
	// listed, and is not released.
	AllowPartial bool
	// ByHand says that the offenders are a person's command. It wins over an exemption of exactly that prefix, which is
	// released, and over a present block of it, whose end it sets, earlier or later; it lasts exactly as long as its action
	// says, strikes or not. The lists win over it.
	ByHand bool
}

// Verb is what a decision does.
type Verb string

// The verbs.
const (
	VerbBlock   Verb = "block"   // a new block
	VerbExtend  Verb = "extend"  // a present block's expiry moves on
	VerbRelease Verb = "release" // a present entry of ours goes
	VerbKeep    Verb = "keep"    // a present entry stays as it is
	VerbRefuse  Verb = "refuse"  // an offender that is not blocked, and why
	VerbAllow   Verb = "allow"   // an allowlist prefix that belongs into the exempt ACL
)

// Codes of refusals and releases.
const (
	CodeAllowlisted     = "allowlisted"
	CodeCrawler         = "verified_crawler"
	CodeNeverBlock      = "never_block"
	CodeExempt          = "exempt"            // unblocked by hand a short while ago
	CodeForgeable       = "forgeable_address" // lifted by trust.allow
	CodeUnauthenticated = "unauthenticated_sender"
	CodeTooWide         = "too_wide"
	CodeReportOnly      = "report_only" // asn and ja4
	CodeBadKey          = "bad_key"
	CodeExpired         = "expired"
	CodeUnreadable      = "unreadable_mark"
	CodeUnlisted        = "unlisted"      // an allow entry whose prefix left the allowlist
	CodeSameBurst       = "same_burst"    // the burst that its last block was for
	CodeShared          = "looks_shared"  // an address or prefix with many devices, below what is allowed to such
	CodeFewAddresses    = "few_addresses" // a prefix of which only few addresses took part
	CodeUnknownRule     = "unknown_rule"  // an offender of a rule without an action
	CodeRolledUp        = "rolled_up"     // a block of a host that one of its whole prefix replaces
	CodeByHand          = "by_hand"       // an exemption that a block by hand ends
)

// Decision is one verdict with its reason.
type Decision struct {
	Verb     Verb
	Kind     Kind
	Key      string // as the offender or the entry names it
	Prefix   netip.Prefix
	Rule     string   // the rule that decides
	Rules    []string // all rules that hit
	Since    time.Time
	Until    time.Time
	Strikes  int
	Code     string
	Reason   string           // one sentence for a person
	Offender *detect.Offender // points into Input.Offenders; nil when there is none
	Harm     int64            // requests that speak for it: the offender's, or those after the block; ranks decisions
	// ReplacedBy is, for a release, the prefix whose block takes its place: without that block it must not be carried out.
	ReplacedBy netip.Prefix
}
