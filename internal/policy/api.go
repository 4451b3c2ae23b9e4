package policy

import (
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
	Block      time.Duration // of a first strike
	Enforce    bool          // false is shadow mode
	CountsOnly bool
	Floor      int64 // see detect.Set.Floor
	Report     bool  // asn and ja4 rules: never blocked
}

// Past is what is remembered of an address whose block has ended.
type Past struct {
	Strikes int
	Last    time.Time
}

// Settings are the numbers of the policy. Zero values are the defaults.
type Settings struct {
	Max                                  time.Duration // longest a block can get; 0 means 24 h
	Escalation                           float64       // factor per strike; 0 means 2
	Forget                               time.Duration // strikes are forgotten after it; 0 means 30 days
	Propagation                          time.Duration // requests sooner than this after a block do not count; 0 means 2 min
	MaxWidth4, MaxWidth6                 int           // shortest prefix allowed; 0 means 24 and 48
	TrustForgeable, TrustUnauthenticated bool
}

// Input is everything a decision is made from.
type Input struct {
	Now       time.Time
	Offenders []detect.Offender
	After     []detect.After
	Actions   map[string]Action // by rule
	Present   []Block           // all kinds, ours only
	Allow     *lists.Set
	Never     *lists.Set // never-block, Fastly, own egress
	Crawlers  *lists.Set // verified crawlers
	History   map[netip.Prefix]Past
	Settings  Settings
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
	Reason   string // one sentence for a person
	Offender *detect.Offender
}

// Decide is pure: the same input gives the same decisions in the same order.
func Decide(in Input) []Decision { panic("stub") }
