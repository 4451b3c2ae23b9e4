package detect

import (
	"fmt"
	"strings"
)

// chain is BigQuery's shape: each step is read once, by the next, and the table
// is named once. BigQuery keeps no CTE: one that is read twice runs twice, and
// its scan is paid twice.
//
// The health of the data is one more rule (-1) that every row of src hits.
// Present keys ride along: their refused rows enter hits, but only the after
// columns count those.
func (s *scan) chain(steps []cte) ([]cte, string) {
	present := s.q.presentRefs()
	steps = append(steps, s.chainHits(len(present) > 0))
	hits := "hits"
	if len(present) > 0 {
		steps = append(steps, cte{name: "watched", body: "SELECT h.*, p.from_us AS from_us\n" +
			"FROM hits h LEFT JOIN " + s.keyTable("present", present) + " p ON " + s.sameKey("p", "h") + "\n" +
			"WHERE h.rule < 0 OR NOT f_blocked OR p.id IS NOT NULL"})
		hits = "watched"
	}
	steps = append(steps, s.chainParts(hits, len(present) > 0),
		cte{name: "minutes", body: "SELECT *, SUM(n) OVER (PARTITION BY rule, trust, k, minute) AS per_minute\nFROM parts"},
		s.chainKeys(), s.chainTally())
	steps = append(steps, s.scoring(",\n  SUM(older_n) OVER (PART) AS older")...)
	steps = append(steps, s.chainJudged()...)
	return steps, "SELECT " + strings.Join(s.q.Set.Columns(), ", ") + "\nFROM judged\n" +
		"WHERE met = 1 OR after_n > 0 OR tells" + s.alsoAsked() + "\nORDER BY rule, trust, requests DESC, k"
}

func (s *scan) chainHits(present bool) cte {
	rules := s.rulesList(nil, func(id, grp string) string {
		return fmt.Sprintf("STRUCT(%s AS id, %s AS bit, %s AS grp)", id, id, grp)
	}) + ",\n    STRUCT(-1 AS id, 0 AS bit, 0 AS grp)" // a shift by -1 is an error even where its result is not used
	refused := " AND NOT f_blocked"
	if present {
		refused = ""
	}
	// Of a health hit only the address is kept, or it would make a group for
	// every path.
	key := s.key()
	return cte{name: "hits", body: fmt.Sprintf("SELECT r.id AS rule, CASE WHEN r.id < 0 THEN 0 ELSE trust END AS trust,\n"+
		"  CASE WHEN r.id < 0 THEN f_client_key ELSE %s END AS k, us,\n"+
		"  CASE WHEN r.id < 0 THEN 0 ELSE minute END AS minute,\n"+
		"  CASE WHEN r.id < 0 THEN '' ELSE f_path END AS path,\n"+
		"  CASE WHEN r.id < 0 THEN '' ELSE f_client_key END AS address,\n"+
		"  CASE WHEN r.id < 0 THEN '' ELSE f_ja4 END AS ja4,\n"+
		"  f_status, f_blocked,%s\n  %s\n"+
		"FROM src CROSS JOIN UNNEST([\n    %s\n  ]) r\n"+
		"WHERE r.id < 0 OR ((mask >> r.bit) & 1 = 1%s AND %s <> '')",
		key, s.ifWeighed(" w,"), s.chainHealthFlags(), rules, refused, key)}
}

// chainHealthFlags marks what a health hit counts as; 0 for the hits of rules.
func (s *scan) chainHealthFlags() string {
	var parts []string
	for _, h := range s.healthTests() {
		parts = append(parts, fmt.Sprintf("CASE WHEN r.id < 0 AND %s THEN 1 ELSE 0 END AS %s", h.test, h.name))
	}
	for _, n := range s.newestTests() {
		parts = append(parts, fmt.Sprintf("CASE WHEN r.id < 0 AND %s THEN us ELSE 0 END AS %s", n.test, n.name))
	}
	parts = append(parts, fmt.Sprintf("CASE WHEN r.id < 0 AND %s THEN us ELSE %d END AS h_oldest_us", s.newestTests()[0].test, never))
	return strings.Join(parts, ",\n  ")
}

// never stands for the time of a row that is none; it lies after every time a line can have.
const never = 253402300800000000

// healthSums adds the health columns up, in any step that groups.
func (s *scan) healthSums() string {
	var parts []string
	for _, h := range s.healthTests() {
		parts = append(parts, fmt.Sprintf("SUM(%s) AS %s", h.name, h.name))
	}
	for _, n := range s.newestTests() {
		parts = append(parts, fmt.Sprintf("MAX(%s) AS %s", n.name, n.name))
	}
	// A row that does not tell of the oldest has the latest of times.
	return strings.Join(append(parts, "MIN(h_oldest_us) AS h_oldest_us"), ", ")
}

func (s *scan) chainParts(from string, present bool) cte {
	const counted = "rule >= 0 AND NOT f_blocked"
	after := []string{"0", "0", "0", "0", "0"}
	if present {
		const since = "trust = 0 AND us >= from_us"
		after = []string{countIf(since), countIf(since + " AND f_blocked"), countIf(since + " AND NOT f_blocked AND " + okStatus), "MAX(CASE WHEN " + since + " THEN us ELSE 0 END)",
			"SUM(CASE WHEN " + since + " THEN w ELSE 0 END)"}
	}
	weighed := ""
	if s.weighed {
		weighed = "  SUM(CASE WHEN " + counted + " THEN w ELSE 0 END) AS weight, " + after[4] + " AS after_weight,\n"
	}
	return cte{name: "parts", body: "SELECT rule, trust, k, minute, path, address, ja4,\n" +
		"  " + countIf(counted) + " AS n, " + countIf(counted+" AND "+okStatus) + " AS n_ok, " + countIf(counted+" AND "+failedStatus) + " AS n_errors,\n" +
		"  MIN(CASE WHEN " + counted + " THEN us END) AS first_us, MAX(CASE WHEN " + counted + " THEN us END) AS last_us,\n" +
		"  " + after[0] + " AS after_n, " + after[1] + " AS after_refused, " + after[2] + " AS after_ok, " + after[3] + " AS after_last_us,\n" + weighed +
		"  " + s.healthSums() + "\nFROM " + from + "\nGROUP BY rule, trust, k, minute, path, address, ja4"}
}

func (s *scan) chainKeys() cte {
	return cte{name: "per_key", body: "SELECT rule, trust, k, SUM(n) AS requests, MAX(per_minute) AS peak, SUM(n_ok) AS ok, SUM(n_errors) AS errors,\n" +
		"  COUNT(DISTINCT CASE WHEN n > 0 THEN path END) AS distinct_paths,\n" +
		"  COUNT(DISTINCT CASE WHEN n > 0 THEN NULLIF(address, '') END) AS addresses,\n" +
		"  COUNT(DISTINCT CASE WHEN n_ok > 0 THEN NULLIF(address, '') END) AS ok_addresses,\n" +
		"  COUNT(DISTINCT CASE WHEN n > 0 THEN NULLIF(ja4, '') END) AS ja4s,\n" +
		"  SUM(CASE WHEN " + s.inOlder("rule") + " THEN n ELSE 0 END) AS older_n,\n" +
		"  COALESCE(MIN(first_us), 0) AS first_us, COALESCE(MAX(last_us), 0) AS last_us,\n" +
		"  SUM(after_n) AS after_n, SUM(after_refused) AS after_refused, SUM(after_ok) AS after_ok, MAX(after_last_us) AS after_last_us,\n" +
		s.ifWeighed("  SUM(weight) AS weight, SUM(after_weight) AS after_weight,\n") +
		"  " + s.healthSums() + "\nFROM minutes\nGROUP BY rule, trust, k"}
}

// carriedKey are the columns of a key that pass the histogram in an array.
func (s *scan) carriedKey() []string {
	columns := []string{"k", "peak", "ok", "errors", "distinct_paths", "addresses", "ok_addresses", "ja4s",
		"first_us", "last_us", "after_n", "after_refused", "after_ok", "after_last_us"}
	if s.weighed {
		columns = append(columns, "weight", "after_weight")
	}
	return columns
}

// chainTally makes the histogram and lets the keys that can still be offenders,
// or that are present, ride in it.
func (s *scan) chainTally() cte {
	carried := s.carriedKey()
	fields := make([]string, len(carried))
	for i, c := range carried {
		fields[i] = c + " AS " + c
	}
	known := func(m measure) bool { return m != mShare && m != mScore && m != mBaselineScore && m != mBaselineRatio }
	return cte{name: "tally", body: "SELECT rule, trust, requests, " + countIf("requests > 0") + " AS members,\n" +
		"  ARRAY_AGG(CASE WHEN rule >= 0 AND (after_n > 0 OR requests > 0 AND " +
		s.perRule("rule", s.whenColumn, func(c compiled) cond { return weaken(s.when(c), c.heaviest(), known) }) + s.alsoAsked() + ")\n" +
		"    THEN STRUCT(" + strings.Join(fields, ", ") + ") END IGNORE NULLS) AS riders,\n" +
		"  SUM(older_n) AS older_n,\n" +
		"  " + countIf("h_ok_requests > 0 AND k <> ''") + " AS h_ok_addresses,\n" +
		"  SUM(CASE WHEN rule < 0 AND " + s.notClient("k") + " THEN h_trusted ELSE 0 END) AS h_trusted_not_client,\n" +
		"  " + s.healthSums() + "\nFROM per_key\nGROUP BY rule, trust, requests"}
}

// chainJudged takes the keys out of the histogram again and applies each
// rule's when. Before them every histogram row gets one key ” of its own,
// which can be no offender and carries population and health.
func (s *scan) chainJudged() []cte {
	carried := s.carriedKey()
	zero := make([]string, len(carried))
	given := []string{"t.rule AS rule", "t.trust AS trust", "t.requests AS requests", "t.share AS share", "t.score AS score",
		"t.baseline_score AS baseline_score", "t.baseline_ratio AS baseline_ratio", "t.population AS population",
		"t.total AS volume", "t.older AS older", "t.busiest AS busiest", "t.med AS median", "t.scale AS scale", "t.requests = t.least AND m.k = '' AS tells"}
	for _, c := range detectColumns {
		if strings.HasPrefix(c.name, "h_") {
			expr := "t." + c.name
			if c.name == "h_oldest_us" {
				expr = fmt.Sprintf("CASE WHEN t.h_oldest_us = %d THEN 0 ELSE t.h_oldest_us END", never)
			}
			given = append(given, expr+" AS "+c.name)
		}
	}
	for i, c := range carried {
		zero[i] = "0 AS " + c
		if c == "k" {
			zero[i] = "'' AS k"
		}
		given = append(given, "m."+c+" AS "+c)
	}
	return []cte{
		{name: "unpacked", body: "SELECT " + strings.Join(given, ",\n  ") + "\nFROM scored t CROSS JOIN UNNEST(ARRAY_CONCAT(\n  [STRUCT(" +
			strings.Join(zero, ", ") + ")], IFNULL(t.riders, []))) m"},
		{name: "judged", body: "SELECT *, CASE WHEN k <> '' AND requests > 0 AND " +
			s.perRule("rule", s.whenColumn, s.when) + "\n  THEN 1 ELSE 0 END AS met\nFROM unpacked"},
	}
}
