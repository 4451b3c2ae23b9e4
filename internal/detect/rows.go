package detect

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Row is one row of a detect statement, in the order of its columns; none is
// NULL. There is a row for each offender, for each rule that counted something
// of a key that is asked about, for each present key with requests
// after its From, at least one for each rule and trust class that counted
// anything (for the population), and one with the health of the data (Rule -1).
type Row struct {
	Rule  int64 // index into the set; -1 for the health row
	Trust int64
	Key   string
	Met   int64 // 1 when when holds

	Requests, Peak, OK, Errors, DistinctPaths, Addresses, OKAddresses, JA4s int64

	Share, Score, BaselineScore, BaselineRatio float64

	FirstUs, LastUs int64 // unix microseconds; 0 for none
	Population      int64

	// Of the rule and trust class, in one row of it at least; 0 in others.
	Volume, Older, Busiest int64
	Median, Scale          float64

	After, AfterRefused, AfterOK, AfterLastUs int64

	Weight, AfterWeight int64 // only when the set weighs requests

	HealthRows, HealthNewestUs, HealthTrusted, HealthNoAddress, HealthNoFirstHop   int64
	HealthShield, HealthReceived, HealthAhead, HealthOKRequests, HealthOKAddresses int64
	HealthTrustedNewestUs, HealthTrustedNoAddress                                  int64
	HealthForgeable, HealthOldestUs, HealthTrustedNotClient                        int64
	HealthTrustedClaims                                                            int64
}

// column names a column of a detect statement and the member of Row it goes to.
type column struct {
	name string
	dest func(*Row) any
}

var detectColumns = []column{
	{"rule", func(r *Row) any { return &r.Rule }},
	{"trust", func(r *Row) any { return &r.Trust }},
	{"k", func(r *Row) any { return &r.Key }},
	{"met", func(r *Row) any { return &r.Met }},
	{"requests", func(r *Row) any { return &r.Requests }},
	{"peak", func(r *Row) any { return &r.Peak }},
	{"ok", func(r *Row) any { return &r.OK }},
	{"errors", func(r *Row) any { return &r.Errors }},
	{"distinct_paths", func(r *Row) any { return &r.DistinctPaths }},
	{"addresses", func(r *Row) any { return &r.Addresses }},
	{"ok_addresses", func(r *Row) any { return &r.OKAddresses }},
	{"ja4s", func(r *Row) any { return &r.JA4s }},
	{"share", func(r *Row) any { return &r.Share }},
	{"score", func(r *Row) any { return &r.Score }},
	{"baseline_score", func(r *Row) any { return &r.BaselineScore }},
	{"baseline_ratio", func(r *Row) any { return &r.BaselineRatio }},
	{"first_us", func(r *Row) any { return &r.FirstUs }},
	{"last_us", func(r *Row) any { return &r.LastUs }},
	{"population", func(r *Row) any { return &r.Population }},
	{"volume", func(r *Row) any { return &r.Volume }},
	{"older", func(r *Row) any { return &r.Older }},
	{"busiest", func(r *Row) any { return &r.Busiest }},
	{"median", func(r *Row) any { return &r.Median }},
	{"scale", func(r *Row) any { return &r.Scale }},
	{"after_n", func(r *Row) any { return &r.After }},
	{"after_refused", func(r *Row) any { return &r.AfterRefused }},
	{"after_ok", func(r *Row) any { return &r.AfterOK }},
	{"after_last_us", func(r *Row) any { return &r.AfterLastUs }},
	{"h_rows", func(r *Row) any { return &r.HealthRows }},
	{"h_newest_us", func(r *Row) any { return &r.HealthNewestUs }},
	{"h_trusted", func(r *Row) any { return &r.HealthTrusted }},
	{"h_no_address", func(r *Row) any { return &r.HealthNoAddress }},
	{"h_no_first_hop", func(r *Row) any { return &r.HealthNoFirstHop }},
	{"h_shield", func(r *Row) any { return &r.HealthShield }},
	{"h_received", func(r *Row) any { return &r.HealthReceived }},
	{"h_ahead", func(r *Row) any { return &r.HealthAhead }},
	{"h_ok_requests", func(r *Row) any { return &r.HealthOKRequests }},
	{"h_ok_addresses", func(r *Row) any { return &r.HealthOKAddresses }},
	{"h_trusted_newest_us", func(r *Row) any { return &r.HealthTrustedNewestUs }},
	{"h_trusted_no_address", func(r *Row) any { return &r.HealthTrustedNoAddress }},
	{"h_forgeable", func(r *Row) any { return &r.HealthForgeable }},
	{"h_oldest_us", func(r *Row) any { return &r.HealthOldestUs }},
	{"h_trusted_not_client", func(r *Row) any { return &r.HealthTrustedNotClient }},
	{"h_trusted_claims", func(r *Row) any { return &r.HealthTrustedClaims }},
}

// weightColumns follow the others in a statement of a set that weighs requests.
var weightColumns = []column{
	{"weight", func(r *Row) any { return &r.Weight }},
	{"after_weight", func(r *Row) any { return &r.AfterWeight }},
}

// columns are those of the set's detect statement; a nil set weighs nothing.
func (s *Set) columns() []column {
	if s.Weighs() {
		return slices.Concat(detectColumns, weightColumns)
	}
	return detectColumns
}

// Columns are the names of the columns of the set's detect statement, in order; a nil set is one that does not weigh requests.
func (s *Set) Columns() []string {
	columns := s.columns()
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// Dest returns where to scan a row of [Set.Columns] to, in order: *int64, *float64 or *string.
func (s *Set) Dest(r *Row) []any {
	columns := s.columns()
	dest := make([]any, len(columns))
	for i, c := range columns {
		dest[i] = c.dest(r)
	}
	return dest
}

// Assemble turns the rows of a detect statement into the answer. BytesScanned,
// Loss and SQL are the engine's to fill. No rows at all are the answer of an
// empty store.
func Assemble(q Query, rows []Row) Result {
	res := Result{Population: map[string]int64{}}
	for _, c := range q.Set.rules {
		res.Population[c.Name] = 0
	}
	type class struct{ rule, trust int64 }
	counted := map[class]bool{}
	volumes := map[class]Volume{}
	after := map[keyRef]Row{}
	for _, r := range rows {
		if r.Rule < 0 {
			res.Health = r.health()
			continue
		}
		rule := q.Set.rules[r.Rule]
		if at := (class{r.Rule, r.Trust}); !counted[at] {
			counted[at] = true
			res.Population[rule.Name] += r.Population
		}
		if v := r.volume(rule.Name, volumes[class{r.Rule, r.Trust}]); v.Requests > 0 {
			volumes[class{r.Rule, r.Trust}] = v
		}
		if r.After > 0 {
			after[keyRef{rule: r.Rule, key: r.Key}] = r
		}
		_, known := q.Baselines[rule.Name]
		if r.Met != 0 {
			res.Offenders = append(res.Offenders, r.offender(rule, known))
		}
		if r.Requests > 0 && q.asks(rule.Group, r.Key) {
			res.Asked = append(res.Asked, r.offender(rule, known))
		}
	}
	sortOffenders(q.Set, res.Offenders)
	sortOffenders(q.Set, res.Asked)
	for _, v := range volumes {
		res.Volumes = append(res.Volumes, v)
	}
	slices.SortFunc(res.Volumes, func(a, b Volume) int {
		return cmp.Or(cmp.Compare(q.Set.byName[a.Rule], q.Set.byName[b.Rule]), cmp.Compare(a.Trust.code(), b.Trust.code()))
	})
	for _, p := range q.Present {
		if i, ok := q.Set.byName[p.Rule]; ok {
			r := after[keyRef{rule: int64(i), key: p.Key}]
			weight, _ := q.Set.rules[i].weight(r.After, r.AfterWeight)
			res.After = append(res.After, After{Present: p, Requests: r.After, Refused: r.AfterRefused,
				Passed: r.After - r.AfterRefused, OK: r.AfterOK, Weight: weight, LastSeen: fromMicros(r.AfterLastUs)})
		}
	}
	return res
}

// volume is v with what this row says of its class.
func (r Row) volume(rule string, v Volume) Volume {
	return Volume{Rule: rule, Trust: trustOf(r.Trust), Requests: max(v.Requests, r.Volume), Older: max(v.Older, r.Older), Keys: max(v.Keys, r.Population),
		Busiest: max(v.Busiest, r.Busiest), Median: max(v.Median, r.Median), Scale: max(v.Scale, r.Scale)}
}

func (r Row) offender(rule compiled, baseline bool) Offender {
	weight, weighed := rule.weight(r.Requests, r.Weight)
	return Offender{Key: r.Key, Group: rule.Group, Rule: rule.Name, Trust: trustOf(r.Trust), Measures: Measures{
		Requests: r.Requests, Weight: weight, Weighed: weighed, PeakPerMinute: r.Peak, OK: r.OK, Errors: r.Errors, DistinctPaths: r.DistinctPaths,
		Share: r.Share, Score: r.Score, BaselineScore: r.BaselineScore, BaselineRatio: r.BaselineRatio, BaselineKnown: baseline, Addresses: r.Addresses, OKAddresses: r.OKAddresses, JA4s: r.JA4s,
		FirstSeen: fromMicros(r.FirstUs), LastSeen: fromMicros(r.LastUs),
	}}
}

func (r Row) health() Health {
	return Health{Rows: r.HealthRows, Newest: fromMicros(r.HealthNewestUs), Trusted: r.HealthTrusted,
		NoAddress: r.HealthNoAddress, NoFirstHop: r.HealthNoFirstHop, Shield: r.HealthShield,
		ReceivedTime: r.HealthReceived, Ahead: r.HealthAhead, OKRequests: r.HealthOKRequests, OKAddresses: r.HealthOKAddresses,
		TrustedNewest: fromMicros(r.HealthTrustedNewestUs), TrustedNoAddress: r.HealthTrustedNoAddress,
		Forgeable: r.HealthForgeable, Oldest: fromMicros(r.HealthOldestUs), TrustedNotClient: r.HealthTrustedNotClient,
		TrustedClaims: r.HealthTrustedClaims}
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// sortOffenders puts offenders in the order Result promises.
func sortOffenders(s *Set, off []Offender) {
	slices.SortFunc(off, func(a, b Offender) int {
		return cmp.Or(
			cmp.Compare(s.byName[a.Rule], s.byName[b.Rule]),
			cmp.Compare(b.Measures.Requests, a.Measures.Requests),
			strings.Compare(a.Key, b.Key),
			cmp.Compare(a.Trust.code(), b.Trust.code()),
		)
	})
}
