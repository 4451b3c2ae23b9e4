package ledger

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RunEvent is the kind of event that holds a run's summary; Target is the service.
const RunEvent = "run"

// Summary is what a run saw and did on one service, kept for baselines.
type Summary struct {
	Run     string
	Time    time.Time // T of the run
	Outcome string
	Service string        // "" when all services were counted
	Window  time.Duration // the longest window: what Rows counts
	Newest  time.Time     // newest row; zero when there was none

	Rows, Trusted, OKRequests, OKAddresses int64 // Trusted are the rows that can block
	Offenders, Blocks, Extends             int64
	Releases, Refusals, Ours, BytesScanned int64                // Ours: entries of ours in the block ACLs, for FillForecast
	Rules                                  map[string]RuleCount // by name: what each counted of trusted rows
	Extra                                  map[string]string    // whatever else the event's detail says
}

// numbers names the counters in the order of the struct.
func (s *Summary) numbers() map[string]*int64 {
	return map[string]*int64{
		"rows": &s.Rows, "trusted": &s.Trusted, "ok_requests": &s.OKRequests, "ok_addresses": &s.OKAddresses,
		"offenders": &s.Offenders, "blocks": &s.Blocks, "extends": &s.Extends,
		"releases": &s.Releases, "refusals": &s.Refusals, "ours": &s.Ours, "bytes_scanned": &s.BytesScanned,
	}
}

// Event puts the summary into an event for Chain.Add.
func (s Summary) Event() Event {
	detail := maps.Clone(s.Extra)
	if detail == nil {
		detail = map[string]string{}
	}
	for name, n := range s.numbers() {
		detail[name] = strconv.FormatInt(*n, 10)
	}
	detail["window"] = s.Window.String()
	if len(s.Rules) > 0 {
		detail["rules"] = writeRules(s.Rules)
	}
	if !s.Newest.IsZero() {
		detail["newest"] = s.Newest.UTC().Format(time.RFC3339Nano)
	}
	return Event{Time: s.Time, Event: RunEvent, Outcome: s.Outcome, Target: s.Service, Detail: detail}
}

// Summaries reads the run summaries out of events, in their order. A number that
// cannot be read is 0; what a summary does not know is in Extra.
func Summaries(events []Event) []Summary {
	var all []Summary
	for _, e := range events {
		if e.Event != RunEvent {
			continue
		}
		s := Summary{Run: e.Run, Time: e.Time, Outcome: e.Outcome, Service: e.Target}
		numbers := s.numbers()
		for k, v := range e.Detail {
			if n, ok := numbers[k]; ok {
				*n, _ = strconv.ParseInt(v, 10, 64)
				continue
			}
			switch k {
			case "window":
				s.Window, _ = time.ParseDuration(v)
			case "rules":
				s.Rules = readRules(v)
			case "newest":
				s.Newest, _ = time.Parse(time.RFC3339Nano, v)
			default:
				if s.Extra == nil {
					s.Extra = map[string]string{}
				}
				s.Extra[k] = v
			}
		}
		all = append(all, s)
	}
	return all
}

// Baseline is the usual number of trusted rows of such a window of such a service: the
// median over past runs that succeeded, at least minRuns of them; 0 means no baseline.
func Baseline(summaries []Summary, service string, window time.Duration) int64 {
	const minRuns = 12 // an hour of runs at the default period
	var rows []int64
	for _, s := range summaries {
		if s.Service == service && s.Window == window && s.Outcome == Success && s.Trusted > 0 {
			rows = append(rows, s.Trusted)
		}
	}
	if len(rows) < minRuns {
		return 0
	}
	slices.Sort(rows)
	return rows[len(rows)/2]
}

// ForService keeps the events whose target is on the service.
func ForService(events []Event, service string) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool {
		return e.Target != service && !strings.HasPrefix(e.Target, service+"/")
	})
}
