package report

import (
	"strings"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/policy"
)

// limitRow is one limit of the guard.
type limitRow struct {
	Name, Meaning string
	Value, Limit  string
	Result        string // holds, failed, lifted
	Kind          string // ok, bad, lifted: a class of the style
	Note          string
}

// unit is how the values of a limit read.
type unit int

const (
	count unit = iota
	share
	seconds
)

// limits of the guard in words; acl.Limits has them in full.
var meanings = map[string]struct {
	text  string
	unit  unit
	least bool // the limit is the least, not the most
}{
	acl.LimitClockSkew:     {"this machine's clock against Fastly's", seconds, false},
	acl.LimitAhead:         {"trusted rows that lie ahead of the clock", share, false},
	acl.LimitStale:         {"age of the newest trusted row", seconds, false},
	acl.LimitNoData:        {"trusted rows in the window", count, true},
	acl.LimitNoAddress:     {"trusted rows without an address", share, false},
	acl.LimitNotClient:     {"trusted rows with an address no client has", share, false},
	acl.LimitClaims:        {"trusted rows that claim another address", share, false},
	acl.LimitRepeats:       {"rows of a minute that repeat a request id", share, false},
	acl.LimitLoss:          {"lines lost on the way", share, false},
	acl.LimitVolume:        {"trusted rows against the usual number", count, true},
	acl.LimitNewBlocks:     {"new blocks in this run", count, false},
	acl.LimitCollateral:    {"addresses with successful requests hit by new blocks", count, false},
	acl.LimitAllowReleases: {"blocks released because of the allowlist", count, false},
	acl.LimitAllowlist:     {"parts of the allowlist that cannot be read", count, false},
	acl.LimitNeverBlock:    {"blocks that overlap what is never blocked", count, false},
	acl.LimitAllowlisted:   {"blocks that overlap the allowlist", count, false},
	acl.LimitWidth:         {"blocks that are too wide", count, false},
}

func (u unit) text(f float64) string {
	switch u {
	case share:
		return percent(f)
	case seconds:
		return span(time.Duration(f * float64(time.Second)))
	}
	return figure(f)
}

// limits are the guard's, those that failed first.
func (s Service) limits() (rows []limitRow, verdict string) {
	if s.Plan == nil || s.Plan.Verdict.Verdict == "" {
		return nil, ""
	}
	var good []limitRow
	for _, c := range s.Plan.Verdict.Limits {
		m := meanings[c.Name]
		row := limitRow{Name: short(c.Name), Meaning: m.text, Value: m.unit.text(c.Value), Limit: "at most " + m.unit.text(c.Limit), Result: "holds", Kind: "ok", Note: long(c.Note)}
		switch {
		case c.Limit < 0:
			row.Limit = "none"
		case m.least:
			row.Limit = "at least " + m.unit.text(c.Limit)
		}
		switch {
		case !c.Passed:
			row.Result, row.Kind = "failed", "bad"
			rows = append(rows, row)
			continue
		case lifted(c):
			row.Result, row.Kind = "lifted", "lifted"
		}
		good = append(good, row)
	}
	return append(rows, good...), s.Plan.Verdict.Verdict
}

// refusalRow is one offender that is not blocked.
type refusalRow struct{ Key, Prefix, Rule, Code, Reason, Requests string }

// refusals with what found no room, and how many there are of each code, the most common first.
func (s Service) refusals() (rows []refusalRow, codes []countRow) {
	if s.Plan == nil {
		return nil, nil
	}
	tally := map[string]int64{}
	for _, part := range [][]policy.Decision{s.Plan.Refusals, s.Plan.NoRoom} {
		for _, d := range part {
			row := refusalRow{Key: log(d.Key), Rule: short(d.Rule), Code: short(d.Code), Reason: long(d.Reason)}
			if d.Prefix.IsValid() {
				row.Prefix = d.Prefix.String()
				if d.Key == "" {
					row.Key = keyOf(d.Prefix)
				}
			}
			if d.Offender != nil {
				row.Requests = number(d.Offender.Measures.Requests)
			}
			tally[row.Code]++
			rows = append(rows, row)
		}
	}
	return rows, tallied(tally)
}

// lifted reports whether a limit holds only because somebody lifted it.
func lifted(c acl.Check) bool { return strings.Contains(c.Note, "lifted") }
