package detect

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"edgewarden/internal/record"
)

// What a flood is taken apart by, as numbered in the statement.
const (
	byNothing = iota // the flood as a whole
	byPrefix
	byASN
	byJA4
	byAgent
	byPath
)

var clusterNames = [...]string{byPrefix: "prefix", byASN: "asn", byJA4: "ja4", byAgent: "agent", byPath: "path"}

// clustersKept is how many clusters of each kind are shown.
const clustersKept = 3

// FloodRow is one row of a flood statement, in the order of its columns; none is NULL.
type FloodRow struct {
	Rule, Trust, About    int64
	Value                 string // cut
	N                     int64
	Addresses, Most, TopN int64
	Place                 int64 // from 1, largest first
}

// FloodColumns are the names of a flood statement's columns, in order.
func FloodColumns() []string {
	return []string{"rule", "trust", "about", "v", "n", "addresses", "most", "top_n", "place"}
}

// Dest returns where to scan a row's columns to, in order.
func (r *FloodRow) Dest() []any {
	return []any{&r.Rule, &r.Trust, &r.About, &r.Value, &r.N, &r.Addresses, &r.Most, &r.TopN, &r.Place}
}

// FloodSQL is the statement that takes floods apart, in one scan of the windows of their rules alone. It counts the same
// rows as [Set.DetectSQL] did. Both dialects get the same steps, each read once.
func (s *Set) FloodSQL(d Dialect, src Source, q Query, floods []Flood) (Statement, error) {
	if len(floods) == 0 {
		return Statement{}, errors.New("compiling flood query: there are no floods")
	}
	q.Set = s.ofFloods(floods)
	q.Now = time.Time{} // rows of the future are not looked for
	if err := q.validate(); err != nil {
		return Statement{}, err
	}
	more := []record.Field{record.ClientPrefix, record.ClientASN, record.JA4, record.UserAgent, record.Method, record.Path}
	sc := newScan(d, src, q, more...)
	steps := sc.steps(sc.carried(more...)...)
	wanted, kinds := "wanted r", "kinds"
	var rows []string
	for _, f := range floods {
		i := q.Set.byName[f.Rule]
		format := "(%d, %d, %d)"
		if d == BigQuery {
			format = "STRUCT(%d AS id, %d AS grp, %d AS class)"
		}
		rows = append(rows, fmt.Sprintf(format, i, groupIndex(q.Set.rules[i].Group), f.Trust.code()))
	}
	if d == BigQuery {
		wanted, kinds = "UNNEST([\n    "+strings.Join(rows, ",\n    ")+"\n  ]) r", "UNNEST([0, 1, 2, 3, 4, 5]) about"
	} else {
		steps = append(steps, cte{name: "wanted(id, grp, class)", body: "VALUES\n    " + strings.Join(rows, ",\n    ")},
			cte{name: "kinds(about)", body: "VALUES (0), (1), (2), (3), (4), (5)"})
	}
	cut := func(x string) string { return fmt.Sprintf("LEFT(%s, %d)", x, evidenceCut) }
	const part = "PARTITION BY rule, trust, about"
	steps = append(steps,
		cte{name: "hits", body: fmt.Sprintf("SELECT s.*, r.id AS rule\nFROM src s CROSS JOIN %s\n"+
			"WHERE s.trust = r.class AND (s.mask >> r.id) & 1 = 1 AND NOT s.f_blocked AND %s <> ''", wanted, sc.key())},
		cte{name: "told", body: fmt.Sprintf("SELECT rule, trust, about, f_client_key AS address,\n"+
			"  CASE about WHEN %d THEN f_client_prefix WHEN %d THEN CAST(f_client_asn AS %s) WHEN %d THEN %s WHEN %d THEN %s WHEN %d THEN %s ELSE '' END AS v\n"+
			"FROM hits CROSS JOIN %s", byPrefix, byASN, sc.str, byJA4, cut("f_ja4"), byAgent, cut("f_user_agent"),
			byPath, cut("f_method || ' ' || f_path"), kinds)},
		cte{name: "by_address", body: fmt.Sprintf("SELECT rule, trust, about, v, address, COUNT(*) AS n\nFROM told\n"+
			"WHERE about = %d OR v NOT IN ('', '0')\nGROUP BY rule, trust, about, v, address", byNothing)},
		cte{name: "ranked", body: "SELECT *, ROW_NUMBER() OVER (" + part + ", v ORDER BY n DESC, address) AS place\nFROM by_address"},
		cte{name: "clusters", body: "SELECT rule, trust, about, v, SUM(n) AS n, COUNT(*) AS addresses, MAX(n) AS most,\n" +
			fmt.Sprintf("  SUM(CASE WHEN place <= %d THEN n ELSE 0 END) AS top_n\nFROM ranked\nGROUP BY rule, trust, about, v", FloodTop)},
		cte{name: "placed", body: "SELECT *, ROW_NUMBER() OVER (" + part + " ORDER BY n DESC, v) AS place\nFROM clusters"},
	)
	var list []string
	for _, c := range FloodColumns() {
		if c == "v" {
			list = append(list, c)
			continue
		}
		if expr := sc.bigint(c); expr != c {
			c = expr + " AS " + c
		}
		list = append(list, c)
	}
	last := "SELECT " + strings.Join(list, ", ") + fmt.Sprintf("\nFROM placed\nWHERE place <= %d\nORDER BY rule, trust, about, place", clustersKept)
	return Statement{SQL: with(steps, last), Params: sc.params}, nil
}

// ofFloods is the set of the rules that floods name, in the order of the floods, each once.
func (s *Set) ofFloods(floods []Flood) *Set {
	sub := &Set{byName: map[string]int{}}
	for _, f := range floods {
		i, ok := s.byName[f.Rule]
		if _, dup := sub.byName[f.Rule]; !ok || dup {
			continue
		}
		sub.byName[f.Rule] = len(sub.rules)
		sub.rules = append(sub.rules, s.rules[i])
	}
	return sub
}

// AttachFloods fills floods from the rows of a flood statement.
func AttachFloods(s *Set, floods []Flood, rows []FloodRow) {
	sub := s.ofFloods(floods)
	for i := range floods {
		f := &floods[i]
		f.Clusters = nil
		for _, r := range rows {
			if r.Rule != int64(sub.byName[f.Rule]) || r.Trust != f.Trust.code() {
				continue
			}
			switch {
			case r.About == byNothing:
				f.Addresses, f.MostOfOne, f.TopRequests = r.Addresses, r.Most, r.TopN
				f.TopAddresses = min(FloodTop, r.Addresses)
			case r.About > 0 && r.About < int64(len(clusterNames)):
				f.Clusters = append(f.Clusters, Cluster{By: clusterNames[r.About], Value: r.Value, Requests: r.N, Addresses: r.Addresses, MostOfOne: r.Most, TopRequests: r.TopN})
			}
		}
	}
}
