package config

import (
	"net/netip"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// Rule is a detection rule with what it does.
type Rule struct {
	detect.Rule
	Block   time.Duration // of a first strike; 0 means policy.DefaultBlock
	Enforce bool          // mode: enforce; the default is shadow
	// Places says where the rule and its parts stand, by key; "" is the rule itself.
	// Nil when the rule does not come from a file.
	Places map[string]Place
}

// Class is a class of requests and what they weigh.
type Class struct {
	detect.Class
	Places map[string]Place // as in Rule
}

// Place is a position in a file; lines and columns begin at 1.
type Place struct {
	File         string
	Line, Column int
	escapes      []int // columns of a quoted condition after which the file is a column ahead
}

// spread moves a column counted in the value of a quoted scalar to the file's.
func (p Place) spread(column int) int {
	ahead := 0
	for _, after := range p.escapes {
		if after < column-p.Column+1 {
			ahead++
		}
	}
	return column + ahead
}

// Service is one Fastly service.
type Service struct {
	ID      string
	Name    string // for people; may be empty
	ACLs    []string
	Exempt  string // default edgewarden_exempt
	Shadow  string // default edgewarden_shadow
	Control string // default edgewarden_control
	// LogEndpoints is how many logging endpoints log each request, the one to ingest included; 0 means 1. Fastly counts the
	// lines of all.
	LogEndpoints int
	Rules        []Rule  // empty means the file's top-level rules
	Classes      []Class // nil means the file's top-level classes, empty none
}

// BigQuery says where the log table is.
type BigQuery struct {
	Table    string // PROJECT.DATASET.TABLE
	Kind     string // sink, fastly, custom
	Location string
	Endpoint string
	Columns  map[string]string // custom: record field → column
	MaxBytes int64
}

// Config is everything a file can say. Zero values mean defaults, but for a
// service's ACL names, which are filled in.
type Config struct {
	Owner                 string // default edgewarden
	Services              []Service
	Rules                 []Rule
	Classes               []Class // of Rules, and of the rules of services without classes of their own
	Lake                  string
	BigQuery              BigQuery
	Allowlist             []lists.Entry
	AllowlistFiles        []lists.Location
	AllowlistURLs         []lists.Location
	Crawlers              []lists.Crawler
	ListsCache            string          // folder for last good copies of lists; "" keeps none
	Egress                []netip.Prefix  // own egress, never blocked
	Policy                policy.Settings // trust included
	Guard                 acl.Limits
	Ledger                string
	Period, Settle, Lease time.Duration
	FastlyEndpoint        string
	FastlyTokenFile       string // where the token is, never the token
	Capacity              int
	Notify                Notify
	Monitoring            Monitoring
}

// Monitoring says where the numbers of every run are written to.
type Monitoring struct {
	Project  string // of Google Cloud; empty: nowhere
	Endpoint string // HOST:PORT in place of Cloud Monitoring's
}

// Notify says what is told to people, and how. The URL is a secret and not here; see URLFile.
type Notify struct {
	URLFile       string   // where the URL of the webhook is
	Form          string   // json or slack; empty: by the URL's host
	On            []string // failure, not_enforced, refusal, recovery, change; empty: all
	MaxEntries    int      // blocks and releases listed a message; 0: the default
	MaskAddresses bool
}

// The defaults that the file's own checks need.
const (
	DefaultOwner   = "edgewarden"
	DefaultExempt  = "edgewarden_exempt"
	DefaultShadow  = "edgewarden_shadow"
	DefaultControl = "edgewarden_control"
	DefaultPeriod  = 5 * time.Minute
)
