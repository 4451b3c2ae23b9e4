package main

import (
	"slices"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/ledger"
	"edgewarden/internal/policy"
)

// report is what one run found, decided and did.
type report struct {
	Run      string
	DryRun   bool
	Now, To  time.Time
	Capacity int // entries that an ACL holds; 0 when not known
	Services []*serviceReport
}

// serviceReport is the part of one service. Fields are filled in the order of the run; a nil one was not reached.
type serviceReport struct {
	Service     config.Service
	To          time.Time
	Window      time.Duration            // the longest of the rules that were judged
	Actions     map[string]policy.Action // by rule
	Snapshot    *acl.Snapshot
	Found       detect.Result
	Usual       map[string]detect.Usual // requests, by rule, of those of which it is known
	UsualRows   int64                   // trusted rows in Window; 0 when not known
	Floods      []detect.Flood
	FloodBytes  int64 // read to take them apart
	Cost        scanCost
	Unjudged    *unjudged // rules left out for --max-bytes; nil when every rule was judged
	Plan        *acl.Plan
	Applied     *acl.Result
	LeaseUntil  time.Time // moved to; zero when not moved
	Refused     string    // why nothing was written at all
	Alerts      []string
	NotEnforced []string // of the alerts, those that say that blocks do not act
	Notes       []string // capacity, what shadow rules would have stopped
	Unreviewed  []string // apply: what differs from the plan that was reviewed
	Error       string
	LedgerError string

	past []ledger.Event // of this service, for the page
}

// exitCode sums the run up for scripts.
func (r *report) exitCode(detailed bool) int {
	failed, refused, pending, wrote, ledger, partly := 0, false, false, false, false, false
	for _, s := range r.Services {
		if s.Error != "" {
			failed++
		}
		refused = refused || s.Refused != "" || len(s.Unreviewed) > 0 || (s.Plan != nil && s.Plan.Verdict.Verdict == acl.VerdictRefused)
		pending = pending || (s.Plan != nil && len(s.Plan.Changes) > 0)
		wrote = wrote || (s.Applied != nil && s.Applied.Created+s.Applied.Updated+s.Applied.Deleted > 0)
		ledger = ledger || s.LedgerError != ""
		partly = partly || s.Unjudged != nil
	}
	switch {
	case failed > 0 && (wrote || failed < len(r.Services)):
		return exitPartly
	case failed > 0:
		return exitFailed
	case ledger:
		return exitPartly
	case refused:
		return exitRefused
	case partly:
		return exitPartly
	case detailed && r.DryRun && pending:
		return exitPending
	}
	return exitOK
}

// healthy reports whether every service was served to the end.
func (r *report) healthy() bool {
	for _, s := range r.Services {
		if s.Error != "" || s.Refused != "" || (!r.DryRun && s.LeaseUntil.IsZero()) {
			return false
		}
	}
	return true
}

// document is the report as one JSON object.
func (r *report) document() document {
	d := document{
		Schema:    schemaVersion,
		Summary:   summary{Run: r.Run, DryRun: r.DryRun, Now: r.Now, To: r.To, Text: r.line()},
		Offenders: []offender{}, Floods: []floodDoc{}, Changes: []change{}, Refusals: []refusal{}, Guard: guardDoc{Verdict: acl.VerdictPass, Limits: []guardLimit{}},
	}
	for _, s := range r.Services {
		d.add(s)
	}
	return d
}

// document, the --json of a run.
type document struct {
	Schema    int        `json:"schema"` // schemaVersion
	Summary   summary    `json:"summary"`
	Data      data       `json:"data"`
	Offenders []offender `json:"offenders"`
	Changes   []change   `json:"changes"`
	Refusals  []refusal  `json:"refusals"`
	Floods    []floodDoc `json:"floods"` // far more requests than usual that no address stands out of
	Guard     guardDoc   `json:"guard"`
}

type summary struct {
	Run        string         `json:"run"`
	DryRun     bool           `json:"dry_run"`
	Now        time.Time      `json:"now"`
	To         time.Time      `json:"to"`
	Text       string         `json:"text"`
	Services   []serviceBrief `json:"services"`
	Alerts     []string       `json:"alerts,omitempty"`
	Problems   []string       `json:"problems,omitempty"`
	Notes      []string       `json:"notes,omitempty"`
	Unreviewed []string       `json:"unreviewed,omitempty"` // apply: what differs from the reviewed plan
}

type serviceBrief struct {
	ServiceID  string     `json:"service_id"`
	Create     int        `json:"create"`
	Update     int        `json:"update"`
	Delete     int        `json:"delete"`
	Refused    int        `json:"refused"`
	Kept       int        `json:"kept"`
	NoRoom     int        `json:"no_room"`
	LeaseUntil *time.Time `json:"lease_until,omitempty"`
	Stopped    string     `json:"stopped,omitempty"`
	Why        string     `json:"why,omitempty"` // why nothing was written
	Error      string     `json:"error,omitempty"`
	Ledger     string     `json:"ledger_error,omitempty"`
	Unjudged   *unjudged  `json:"unjudged,omitempty"` // rules left out for --max-bytes
}

type data struct {
	Rows         int64      `json:"rows"`
	Newest       *time.Time `json:"newest"`
	AgeSeconds   *float64   `json:"age_seconds"`
	BytesScanned int64      `json:"bytes_scanned"`
	Estimated    *int64     `json:"bytes_estimated"` // null where no dry run over BigQuery asked
	Billed       *int64     `json:"bytes_billed"`    // null over the lake
	Loss         *float64   `json:"loss"`            // null when heartbeats do not tell
	OKRequests   int64      `json:"ok_requests"`
	OKAddresses  int64      `json:"ok_addresses"`
	NoAddress    int64      `json:"no_address"`
	NoFirstHop   int64      `json:"no_first_hop"`
	Shield       int64      `json:"shield"`
	ReceivedTime int64      `json:"received_time"`
	Ahead        int64      `json:"ahead"`
	Trusted      int64      `json:"trusted"`
	UsualRows    int64      `json:"usual_trusted"`   // 0 when no baseline is known
	NotClient    int64      `json:"not_client"`      // trusted rows with a private address or one of Fastly's own
	Forgeable    int64      `json:"forgeable"`       // rows whose address a client can forge
	Claims       int64      `json:"claims_other_ip"` // trusted rows that came with a Fastly-Client-IP that is not their address
	Repeats      *repeats   `json:"repeated_ids"`    // null when nobody looked: lines say first_hop, or the store has no request_id
}

// repeats are rows of one minute whose request id came before: a shield logs each request again, or clients send the id.
type repeats struct {
	Minute   time.Time `json:"minute"` // the latest, of several services
	Rows     int64     `json:"rows"`   // that do not say first_hop and have a request id
	Repeated int64     `json:"repeated"`
}

type offender struct {
	ServiceID string       `json:"service_id,omitempty"`
	Key       string       `json:"key"`
	Group     detect.Group `json:"group"`
	Rule      string       `json:"rule"`
	Trust     []string     `json:"untrusted,omitempty"` // forgeable_address, unauthenticated_sender
	Evidence  evidence     `json:"evidence"`
}

type evidence struct {
	Requests      int64               `json:"requests"`
	Weight        *int64              `json:"weight,omitempty"` // only of rules whose when names weight
	PeakPerMinute int64               `json:"peak_per_minute"`
	OK            int64               `json:"ok"`
	Errors        int64               `json:"errors"`
	DistinctPaths int64               `json:"distinct_paths"`
	Share         float64             `json:"share"`
	Score         float64             `json:"score"`
	BaselineScore *float64            `json:"baseline_score"` // null when no baseline is known
	BaselineRatio *float64            `json:"baseline_ratio"`
	Addresses     int64               `json:"addresses"`
	JA4s          int64               `json:"ja4s"`
	InAll         *inAll              `json:"in_all,omitempty"` // what the key asked for in the window, whatever the rule's where; only of a rule that has one, and where it could be counted
	FirstSeen     time.Time           `json:"first_seen"`
	LastSeen      time.Time           `json:"last_seen"`
	Country       string              `json:"country,omitempty"`
	ASN           int64               `json:"asn,omitempty"`
	Paths         []detect.Count      `json:"paths,omitempty"`
	Agents        []detect.Count      `json:"agents,omitempty"`
	Statuses      []detect.Count      `json:"statuses,omitempty"`
	Classes       []detect.ClassCount `json:"classes,omitempty"` // what makes the weight, most of it first
	Sample        []string            `json:"sample,omitempty"`
}

// inAll is a detect.Whole that is known.
type inAll struct {
	Requests    int64 `json:"requests"`
	OK          int64 `json:"ok"`
	OKAddresses int64 `json:"ok_addresses"`
	JA4s        int64 `json:"ja4s"`
}

type change struct {
	ServiceID string `json:"service_id"`
	acl.ChangeJSON
}

type refusal struct {
	ServiceID string `json:"service_id,omitempty"`
	acl.RefusalJSON
}

type guardDoc struct {
	Verdict string       `json:"verdict"`
	Limits  []guardLimit `json:"limits"`
}

type guardLimit struct {
	ServiceID string `json:"service_id,omitempty"`
	acl.Check
}

// add merges one service into the document. Counts add up; the newest row is the oldest of the services' newest, since the
// question it answers is how far behind the data is.
func (d *document) add(s *serviceReport) {
	brief := serviceBrief{ServiceID: s.Service.ID, Why: s.Refused, Error: s.Error, Ledger: s.LedgerError, Unjudged: s.Unjudged}
	if s.Snapshot != nil {
		brief.Stopped = s.Snapshot.Stopped
	}
	if !s.LeaseUntil.IsZero() {
		brief.LeaseUntil = &s.LeaseUntil
	}
	d.Data.add(s.Found.Health, s.To)
	d.Data.addCost(s.Cost)
	d.Data.UsualRows += s.UsualRows
	d.Data.BytesScanned += s.FloodBytes
	for _, f := range s.Floods {
		d.Floods = append(d.Floods, newFloodDoc(s.Service.ID, f))
	}
	for _, o := range s.Found.Offenders {
		d.Offenders = append(d.Offenders, offenderDoc(s.Service.ID, o))
	}
	if s.Plan != nil {
		brief.Create, brief.Update, brief.Delete = tally(s.Plan.Changes)
		brief.Refused, brief.Kept, brief.NoRoom = len(s.Plan.Refusals), len(s.Plan.Kept), len(s.Plan.NoRoom)
		d.Summary.Problems = append(d.Summary.Problems, s.Plan.Problems...)
		for _, ch := range s.Plan.ChangesJSON() {
			d.Changes = append(d.Changes, change{s.Service.ID, ch})
		}
		for _, r := range s.Plan.RefusalsJSON() {
			d.Refusals = append(d.Refusals, refusal{s.Service.ID, r})
		}
		d.Guard.add(s.Service.ID, s.Plan.Verdict)
	}
	d.Summary.Alerts = append(d.Summary.Alerts, s.Alerts...)
	d.Summary.Notes = append(d.Summary.Notes, s.Notes...)
	d.Summary.Unreviewed = append(d.Summary.Unreviewed, s.Unreviewed...)
	d.Summary.Services = append(d.Summary.Services, brief)
}

func (g *guardDoc) add(service string, v acl.Verdict) {
	if rank(v.Verdict) > rank(g.Verdict) {
		g.Verdict = v.Verdict
	}
	for _, c := range v.Limits {
		g.Limits = append(g.Limits, guardLimit{service, c})
	}
}

// rank orders verdicts by gravity.
func rank(verdict string) int {
	return slices.Index([]string{acl.VerdictPass, acl.VerdictWarn, acl.VerdictRefused}, verdict)
}

func (d *data) add(h detect.Health, to time.Time) {
	d.Rows += h.Rows
	d.BytesScanned += h.BytesScanned
	d.OKRequests += h.OKRequests
	d.OKAddresses += h.OKAddresses
	d.NoAddress += h.NoAddress
	d.NoFirstHop += h.NoFirstHop
	d.Shield += h.Shield
	d.ReceivedTime += h.ReceivedTime
	d.Ahead += h.Ahead
	d.Trusted += h.Trusted
	d.NotClient += h.TrustedNotClient
	d.Forgeable += h.Forgeable
	d.Claims += h.TrustedClaims
	if r := h.Repeats; !r.Minute.IsZero() {
		if d.Repeats == nil {
			d.Repeats = &repeats{}
		}
		d.Repeats.Rows, d.Repeats.Repeated = d.Repeats.Rows+r.Rows, d.Repeats.Repeated+r.Repeated
		if r.Minute.After(d.Repeats.Minute) {
			d.Repeats.Minute = r.Minute
		}
	}
	if !h.Newest.IsZero() && (d.Newest == nil || h.Newest.Before(*d.Newest)) {
		age := to.Sub(h.Newest).Seconds()
		d.Newest, d.AgeSeconds = &h.Newest, &age
	}
	if h.LossKnown && (d.Loss == nil || h.Loss > *d.Loss) {
		d.Loss = &h.Loss
	}
}

// addCost adds what a service's questions cost.
func (d *data) addCost(c scanCost) {
	for _, sum := range []struct {
		to **int64
		n  *int64
	}{{&d.Estimated, c.Estimated}, {&d.Billed, c.Billed}} {
		if sum.n == nil {
			continue
		}
		total := *sum.n
		if *sum.to != nil {
			total += **sum.to
		}
		*sum.to = &total
	}
}

// offenderDoc is one offender as JSON.
func offenderDoc(service string, o detect.Offender) offender {
	m := o.Measures
	doc := offender{ServiceID: service, Key: o.Key, Group: o.Group, Rule: o.Rule, Evidence: evidence{
		Requests: m.Requests, PeakPerMinute: m.PeakPerMinute, OK: m.OK, Errors: m.Errors, DistinctPaths: m.DistinctPaths,
		Share: m.Share, Score: m.Score, Addresses: m.Addresses, JA4s: m.JA4s, FirstSeen: m.FirstSeen, LastSeen: m.LastSeen,
	}}
	doc.Trust = trustWords(o.Trust)
	if all := m.Whole; all.Requests > 0 {
		doc.Evidence.InAll = &inAll{all.Requests, all.OK, all.OKAddresses, all.JA4s}
	}
	if m.Weighed {
		doc.Evidence.Weight = &m.Weight
	}
	if m.BaselineKnown {
		doc.Evidence.BaselineScore, doc.Evidence.BaselineRatio = &m.BaselineScore, &m.BaselineRatio
	}
	if e := o.Evidence; e != nil {
		doc.Evidence.Country, doc.Evidence.ASN, doc.Evidence.Sample = e.Country, e.ASN, e.Sample
		doc.Evidence.Classes = e.Classes
		doc.Evidence.Paths, doc.Evidence.Agents, doc.Evidence.Statuses = e.Paths, e.Agents, e.Statuses
	}
	return doc
}

// tally counts changes by what they do.
func tally(changes []acl.Change) (create, update, remove int) {
	for _, ch := range changes {
		switch ch.Op {
		case acl.Create:
			create++
		case acl.Update:
			update++
		case acl.Delete:
			remove++
		}
	}
	return create, update, remove
}
