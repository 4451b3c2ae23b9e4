package detect

import (
	"fmt"
	"slices"
	"strings"

	"edgewarden/internal/record"
)

// samplesSQL counts by slot, which is a window, key and mask first, and only then by rule.
func (s Survey) samplesSQL(d Dialect, src Source) (Statement, error) {
	what := s.Probes[0].measure.shape()
	more := map[shape][]record.Field{shapePath: {record.Path}, shapeJA4: {record.JA4}, shapeAddress: {record.ClientKey}}[what]
	scan := newReplayScan
	if slices.ContainsFunc(s.Probes, func(p Probe) bool { return p.measure == mWeight }) {
		scan = newWeighingScan
	}
	r := scan(d, src, s.replay, s.replay.Step, more...)
	steps := r.steps("NOT f_blocked", more...)
	keys := r.keyColumns()
	of := map[shape]string{shapeMinute: r.div("us - "+r.named("from_us", s.replay.From().UnixMicro()), "60000000"), shapePath: "f_path", shapeJA4: "f_ja4", shapeAddress: "f_client_key"}[what]
	if d == DuckDB && what == shapePath {
		of = "md5_number(f_path)"
	}
	group := append([]string{"slot", "trust", "mask"}, keys...)
	columns := strings.Join(group, ", ")
	if what != shapeSum {
		columns += ", " + of + " AS v"
		group = append(group, "v")
	}
	steps = append(steps, cte{name: "counted", body: "SELECT " + columns + ", COUNT(*) AS n, " + countIf(okStatus) + " AS ok, " + countIf(failedStatus) + " AS errors" + r.ifWeighed(", SUM(w) AS w") + "\n" +
		"FROM src WHERE mask <> 0\nGROUP BY " + strings.Join(group, ", ")})
	rules := "rules r"
	if d == BigQuery {
		rules = "UNNEST([\n    " + r.rulesList(nil, func(id, grp string) string { return fmt.Sprintf("STRUCT(%s AS id, %s AS grp)", id, grp) }) + "\n  ]) r"
	} else {
		steps = append(steps, cte{name: "rules(id, grp)", body: "VALUES\n    " + r.rulesList(nil, func(id, grp string) string { return "(" + id + ", " + grp + ")" })})
	}
	key := r.key()
	v := "0 AS v"
	if what != shapeSum {
		v = "v"
	}
	steps = append(steps,
		cte{name: "hits", body: fmt.Sprintf("SELECT r.id AS probe, trust, %s AS k, slot, %s, n, ok, errors%s\nFROM counted CROSS JOIN %s\nWHERE (mask >> r.id) & 1 = 1 AND %s <> ''", key, v, r.ifWeighed(", w"), rules, key)},
		cte{name: "by_v", body: "SELECT probe, trust, k, slot, v, SUM(n) AS n, SUM(ok) AS ok, SUM(errors) AS errors" + r.ifWeighed(", SUM(w) AS w") + "\nFROM hits GROUP BY probe, trust, k, slot, v"},
		cte{name: "per_key", body: "SELECT probe, trust, k, slot, SUM(n) AS requests, SUM(ok) AS ok, " + r.probeValues(s.Probes) + " AS value\nFROM by_v GROUP BY probe, trust, k, slot"},
		cte{name: "told", body: "SELECT probe, trust, value, CASE WHEN value >= " + r.ofProbe(s.Probes, func(p Probe) string { return fmt.Sprint(p.TellsFrom()) }) + " THEN k ELSE '' END AS k, requests, ok\nFROM per_key WHERE value > 0"})
	last := "SELECT " + r.bigint("probe") + " AS probe, " + r.bigint("trust") + " AS trust, " + r.bigint("value") + " AS value, k, COUNT(*) AS samples, " +
		r.bigint("SUM(requests)") + " AS requests, " + r.bigint("SUM(ok)") + " AS ok\nFROM told GROUP BY 1, 2, 3, 4\nORDER BY probe, trust, value, k"
	return Statement{SQL: with(steps, last), Params: r.params}, nil
}

// ofProbe writes a CASE over the probe.
func (s *replayScan) ofProbe(probes []Probe, one func(Probe) string) string {
	var b strings.Builder
	b.WriteString("CASE probe")
	for i, p := range probes {
		fmt.Fprintf(&b, " WHEN %d THEN %s", i, one(p))
	}
	b.WriteString(" ELSE 0 END")
	return b.String()
}

// probeValues is what each probe measures of the rows of by_v of one sample.
func (s *replayScan) probeValues(probes []Probe) string {
	return s.ofProbe(probes, func(p Probe) string {
		switch p.measure {
		case mWeight:
			if s.weighed {
				return "SUM(w)"
			}
		case mOK:
			return "SUM(ok)"
		case mErrors:
			return "SUM(errors)"
		case mPeak:
			return "MAX(n)"
		case mDistinctPaths:
			return "COUNT(*)"
		case mAddresses, mJA4s:
			return countIf("v <> ''")
		case mOKAddresses:
			return countIf("ok > 0 AND v <> ''")
		}
		return "SUM(n)"
	})
}
