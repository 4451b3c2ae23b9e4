package report

import (
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// Run is what a page is made from.
type Run struct {
	ID       string    // "" when there was no run: a page of what is at the edge
	DryRun   bool      // nothing was written
	Now      time.Time // when the decisions were made; ages are counted to it
	To       time.Time // T: rows at or after it did not count
	Period   time.Duration
	Flags    []string // what the commands on the page need beside their own arguments, such as "--config edgewarden.yaml"
	Services []Service
}

// Service is one service of a run. Nil and zero fields were not reached, or are not known.
type Service struct {
	ID, Name string
	Window   time.Duration            // the longest of its rules
	Actions  map[string]policy.Action // by rule
	Capacity int                      // places in one ACL; 0 means 1000

	Snapshot *acl.Snapshot // before anything was written
	Found    detect.Result
	Plan     *acl.Plan
	Floods   []Flood
	State    string // of the data, in a line
	Applied  *acl.Result

	LeaseUntil  time.Time // moved to
	Refused     string    // why nothing was written
	Error       string
	LedgerError string
	Alerts      []string
	Notes       []string
	Unreviewed  []string
	Past        []ledger.Event // of this service, oldest first, this run's not among them
}

// Flood is traffic far above the usual that no address stands out of, in words.
type Flood struct {
	Text     string
	Clusters []string // what parts of it share
	Advice   string
}

// edge is the newest state of the edge that is known.
func (s Service) edge() *acl.Snapshot {
	if s.Applied != nil && s.Applied.After != nil {
		return s.Applied.After
	}
	return s.Snapshot
}
