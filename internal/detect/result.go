package detect

import "time"

// Trust says how far the rows behind an offender can be trusted. Rows of different trust are never counted together.
type Trust struct {
	Forgeable       bool // address_source is not edge
	Unauthenticated bool // sender is neither mtls nor token; an import is unauthenticated too
}

// code is the trust class as a number: 0 is trusted.
func (t Trust) code() int64 {
	var c int64
	if t.Forgeable {
		c |= trustForgeable
	}
	if t.Unauthenticated {
		c |= trustUnauthenticated
	}
	return c
}

const (
	trustForgeable       = 1
	trustUnauthenticated = 2
)

func trustOf(code int64) Trust {
	return Trust{Forgeable: code&trustForgeable != 0, Unauthenticated: code&trustUnauthenticated != 0}
}

// Measures are the values a when condition sees. The zero Measures are those of
// a key without requests.
type Measures struct {
	Requests      int64
	Weight        int64   // of the requests, by the set's classes; 0 unless Weighed
	Weighed       bool    // the rule's when names weight
	PeakPerMinute int64   // minutes are counted back from the query's To
	OK            int64   // status from 1 to 399
	Errors        int64   // status >= 400
	DistinctPaths int64   // an absent path counts as one path
	Share         float64 // of all counted rows of the same rule and trust
	Score         float64 // robust z in log space against the keys of the same rule and trust
	BaselineScore float64 // the same against the rule's Baseline; 0 without one
	BaselineRatio float64 // requests of all keys of the rule and trust, divided by the Baseline's; 0 without one
	BaselineKnown bool    // false: the two above say nothing, and no comparison with them holds
	Addresses     int64   // distinct client_key
	OKAddresses   int64   // distinct client_key with at least one OK request
	JA4s          int64   // distinct JA4 fingerprints (0 when the store has none)
	FirstSeen     time.Time
	LastSeen      time.Time
	Whole         Whole `json:",omitzero"` // no condition sees it; zero when nobody asked, see InAll
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

// ClassCount is how many requests of a key are in a class.
type ClassCount struct {
	Class  string `json:"class"`  // empty for those in none
	Weight int64  `json:"weight"` // of one of them
	N      int64  `json:"n"`
}

// Evidence is what a person wants to see before a block. Its texts come from
// the log, are hostile, and are cut to 256 characters. Paths, Agents and Sample
// are those of the newest minutes that hold 10,000 of the key's requests, or of
// all of them; the rest is of all.
type Evidence struct {
	Country  string       // most frequent
	ASN      int64        // most frequent; 0 unknown
	Paths    []Count      // top five
	Agents   []Count      // top three
	Statuses []Count      // top five
	Sample   []string     // the last few requests as "time method path status", newest first
	Rate     Rate         // requests over the window
	Classes  []ClassCount // what makes the weight, most of it first; only of a rule whose when names weight, and only with classes
}

// Health is what the data itself looks like.
type Health struct {
	Rows         int64     // request rows of the service in the longest window
	Newest       time.Time // newest row before To that is neither Shield nor ReceivedTime; zero when there is none
	BytesScanned int64     // 0 when the engine does not say
	NoAddress    int64     // request rows without a client address
	NoFirstHop   int64     // rows whose line did not say first_hop
	Shield       int64     // rows from shields, which are never counted
	ReceivedTime int64     // rows whose time is only when they were received, never counted
	Ahead        int64     // trusted rows more than 2 min past Now (see Query.Until)
	Forgeable    int64     // counted rows whose address is one a client can forge, unless the query trusts it
	Oldest       time.Time // oldest row that is neither Shield nor ReceivedTime; zero when there is none
	OKRequests   int64     // successful, not refused, first-hop rows in the longest window
	OKAddresses  int64     // distinct client_key among them
	Loss         float64   // share of lines lost according to heartbeats, 0..1
	LossKnown    bool
	Repeats      Repeats // of request ids, where that was looked at: see Query.Repeats; no engine fills it

	// The same of the rows a stranger cannot send, so that nobody can hide stale
	// data behind fresh junk, or break the address column from outside. Trusted
	// rows are neither Shield nor ReceivedTime, and are trusted by themselves or by
	// Query; one of an authenticated sender without an address is among them,
	// since there is nothing to forge. They say what a guard needs to know.
	Trusted          int64
	TrustedNewest    time.Time // before To; zero when there is none
	TrustedNoAddress int64
	// TrustedNotClient are those whose address lies in Query.NotClients, so that it cannot be a client's.
	TrustedNotClient int64
	// TrustedClaims are those whose client sent a Fastly-Client-IP other than its own address, as far as the line says it.
	TrustedClaims int64
}

// Volume is what one rule counted in one class of trust. Requests and Keys are those of its keys; a
// request without the rule's key is in neither.
type Volume struct {
	Rule     string
	Trust    Trust
	Requests int64
	Older    int64 // of those, in the older half of the window, which stands in for what is usual: see Set.Floods
	Keys     int64
	Busiest  int64   // requests of the key that has most
	Median   float64 // of ln(requests) of the keys
	Scale    float64 // their robust standard deviation, without the floor that a score has
}

// After is the answer to one Present.
type After struct {
	Present
	Requests int64 // trusted rows matching the rule's where, refused or not, in the rule's window, at or after From
	Refused  int64 // of those, refused by our ACL
	Passed   int64 // of those, not refused
	OK       int64 // of those that passed, answered with a status from 1 to 399
	Weight   int64 // of the Requests, refused ones by what their lines say; 0 when the rule's when does not name weight
	LastSeen time.Time
}

// Result is an engine's answer.
type Result struct {
	Offenders  []Offender // in a stable order: rule order, then requests descending, then key, then trust
	Asked      []Offender `json:",omitempty"` // in the same order: what each rule counts of the keys of Query.About, those who meet it and those who do not
	After      []After    // in the order of Query.Present, without those of unknown rules
	Health     Health
	Population map[string]int64 // keys with counted requests per rule, summed over trust classes
	Volumes    []Volume         // in rule order, then trust; none where a rule counted nothing
	SQL        string           // the statement that was run, for --explain
	Heartbeats []Heartbeat      // the newest of each ingest process heard in the window; empty when the engine reads none
}
