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
	Block   time.Duration
	Enforce bool // mode: enforce; the default is shadow
}

// Service is one Fastly service.
type Service struct {
	ID      string
	Name    string // for people; may be empty
	ACLs    []string
	Exempt  string // default edgewarden_exempt
	Shadow  string // default edgewarden_shadow
	Control string // default edgewarden_control
	Rules   []Rule // empty means the file's top-level rules
}

// BigQuery says where the log table is.
type BigQuery struct {
	Table    string // PROJECT.DATASET.TABLE
	Kind     string // sink, fastly, custom
	Location string
	Endpoint string
	Columns  map[string]string // custom: record field → column expression name
	MaxBytes int64
}

// Config is everything a file can say. Zero values mean defaults.
type Config struct {
	Owner                 string // default edgewarden
	Services              []Service
	Rules                 []Rule
	Lake                  string
	BigQuery              BigQuery
	Allowlist             []lists.Entry
	Egress                []netip.Prefix  // own egress, never blocked
	Policy                policy.Settings // trust included
	Guard                 acl.Limits
	Ledger                string
	Period, Settle, Lease time.Duration
	Schedule              string
	FastlyEndpoint        string
	Capacity              int
}

// Load reads and checks a configuration file. Its error joins one *Error per fault.
func Load(path string) (*Config, error) { panic("stub") }

// LoadRules reads a file that holds only rules (the short form).
func LoadRules(path string) ([]Rule, error) { panic("stub") }

// Compile compiles rules and checks them against the period: a window shorter than twice the period is an error.
func Compile(rules []Rule, period time.Duration) (*detect.Set, map[string]policy.Action, error) {
	panic("stub")
}

// Error is a fault in a file.
type Error struct {
	File         string
	Line, Column int
	Msg          string
}

func (e *Error) Error() string { panic("stub") }
