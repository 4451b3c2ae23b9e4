package detect

import (
	"context"
	"time"
)

// Group says what requests are counted together.
type Group string

// The groups. ASN and JA4 are reported, never blocked.
const (
	ByAddress Group = "address" // client_key: IPv4 host or IPv6 /64
	ByPrefix  Group = "prefix"  // client_prefix: IPv4 /24 or IPv6 /56
	ByASN     Group = "asn"
	ByJA4     Group = "ja4"
)

// Rule is a rule as written. The zero Where is true, the zero Group is address.
type Rule struct {
	Name   string
	Where  string // CEL over the record's fields
	When   string // CEL over the measures
	Window time.Duration
	Group  Group
	// Line and Column where Where and When begin in their file (1-based; 0 when unknown), so that
	// errors point into the file.
	WhereLine, WhereColumn, WhenLine, WhenColumn int
}

// Set is a compiled set of rules.
type Set struct{}

// Compile checks and compiles rules. Its error joins one *Error per fault.
func Compile(rules []Rule) (*Set, error) { panic("stub") }

// Rules returns the rules in order, defaults filled in.
func (s *Set) Rules() []Rule { panic("stub") }

// MaxWindow is the longest window of any rule.
func (s *Set) MaxWindow() time.Duration { panic("stub") }

// CountsOnly reports whether the rule's when is made only of lower bounds on counters joined by &&, so that missing rows can only hide an offender, never make one.
func (s *Set) CountsOnly(rule string) bool { panic("stub") }

// Floor is the least number of requests for which the rule's when can be true as far as its lower bounds on counters say; at least 1.
func (s *Set) Floor(rule string) int64 { panic("stub") }

// Error is a fault in a rule.
type Error struct {
	Rule         string
	Part         string // "where", "when", "window", "group", "name"
	Line, Column int    // in the file when known, else in the expression
	Msg          string // what is wrong and what to do, with a suggestion where there is one
}

func (e *Error) Error() string { panic("stub") }

// Query is one question to an engine.
type Query struct {
	Set       *Set
	ServiceID string    // empty counts the rows of all services
	To        time.Time // T: rows at or after it are ignored
	Now       time.Time // rows more than 2 min past Now count as Ahead
	Present   []Present
	// Trust names the kinds of untrusted rows that are counted as if trusted.
	TrustForgeable, TrustUnauthenticated bool
}

// Present asks for the requests of a key that is blocked now.
type Present struct {
	Key  string // as in Offender.Key
	Rule string // must be in the set; others are ignored
	From time.Time
}

// Trust says how far the rows behind an offender can be trusted. Rows of different trust are never counted together.
type Trust struct {
	Forgeable       bool // address_source is not edge
	Unauthenticated bool // sender is neither mtls nor token (nor import? no: import is unauthenticated too)
}

// Measures are the values a when condition sees.
type Measures struct {
	Requests      int64
	PeakPerMinute int64
	OK            int64 // status < 400
	Errors        int64 // status >= 400
	DistinctPaths int64
	Share         float64 // of all counted rows of the same rule
	Score         float64 // robust z in log space against the rule's population
	Addresses     int64   // distinct client_key
	OKAddresses   int64   // distinct client_key with at least one OK request
	JA4s          int64   // distinct JA4 fingerprints (0 when the store has none)
	FirstSeen     time.Time
	LastSeen      time.Time
}

// Offender is a key that met a rule.
type Offender struct {
	Key      string // 203.0.113.9, 2001:db8:1:2::/64, 203.0.113.0/24, 64500
	Group    Group
	Rule     string
	Trust    Trust
	Measures Measures
	Evidence *Evidence // filled by Engine.Evidence
}

// Count is a value and how often it came.
type Count struct {
	Value string `json:"value"`
	N     int64  `json:"n"`
}

// Evidence is what a person wants to see before a block.
type Evidence struct {
	Country  string   // most frequent
	ASN      int64    // most frequent; 0 unknown
	Paths    []Count  // top five
	Agents   []Count  // top three
	Statuses []Count  // top five
	Sample   []string // a few requests as "time method path status"
}

// Health is what the data itself looks like.
type Health struct {
	Rows         int64     // request rows of the service in the longest window
	Newest       time.Time // newest row before To; zero when there is none
	BytesScanned int64     // 0 when the engine does not say
	Trusted      int64     // rows that count as trusted
	NoAddress    int64     // request rows without a client address
	NoFirstHop   int64     // rows whose line did not say first_hop
	Shield       int64     // rows from shields, which are never counted
	ReceivedTime int64     // rows whose time is only when they were received, never counted
	Ahead        int64     // trusted rows more than 2 min past Now
	OKRequests   int64     // successful, not refused, first-hop rows in the longest window
	OKAddresses  int64     // distinct client_key among them
	Loss         float64   // share of lines lost according to heartbeats, 0..1
	LossKnown    bool
}

// After is the answer to one Present.
type After struct {
	Present
	Requests int64 // matching the rule's where, refused or not, at or after From and before To
	Refused  int64 // of those, refused by our ACL
	Passed   int64 // of those, not refused
	LastSeen time.Time
}

// Result is an engine's answer.
type Result struct {
	Offenders  []Offender // in a stable order: rule order, then requests descending, then key
	After      []After
	Health     Health
	Population map[string]int64 // keys seen per rule
}

// Engine runs queries over stored records. BigQuery and DuckDB implement it and give the same answer.
type Engine interface {
	// Detect scans the window once.
	Detect(ctx context.Context, q Query) (Result, error)
	// Evidence fills Evidence of at most 200 offenders.
	Evidence(ctx context.Context, q Query, offenders []Offender) error
	Close() error
}
