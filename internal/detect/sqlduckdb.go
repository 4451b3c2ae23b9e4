package detect

import (
	"fmt"
	"strings"

	"edgewarden/internal/record"
)

// keep makes DuckDB compute a step once and hold its rows in memory.
const keep = "MATERIALIZED "

// compute makes DuckDB compute a step wherever it is read, and hold nothing.
const compute = "NOT MATERIALIZED "

// countFirst is DuckDB's shape: count every key, keep the keys that can still
// be offenders by what is known then (requests, share, score), and measure the
// rest for those alone. A key has one row with a column for each rule, never a
// row a rule; rules that count the same requests share the column. src is kept
// in memory, so the files are read once.
func (s *scan) countFirst(steps []cte) ([]cte, string) {
	steps[2].hint = keep
	steps = append(steps,
		cte{name: "rules(id, grp, counter)", body: "VALUES\n    " + s.rulesTable()})
	steps = append(steps, s.counts()...)
	steps = append(steps,
		cte{name: "tally", body: "SELECT r.id AS rule, trust, requests, members\n" +
			"FROM (SELECT counter, trust, requests, COUNT(*) AS members FROM counts GROUP BY ALL) JOIN rules r USING (counter)"},
		cte{name: "by_half", body: "SELECT trust, minute, " + s.keyedBits() + " AS bits, COUNT(*) AS n\nFROM src\nWHERE mask <> 0 AND NOT f_blocked\nGROUP BY ALL"},
		cte{name: "halves", body: "SELECT r.id AS rule, trust, SUM(n) AS older\nFROM by_half b CROSS JOIN rules r\n" +
			"WHERE (b.bits >> r.id) & 1 = 1 AND " + s.inOlder("r.id") + "\nGROUP BY ALL"},
	)
	steps = append(steps, s.scoring("")...)
	steps = append(steps, s.candidates()...)
	selects := []string{
		"SELECT " + s.list(map[string]string{"rule": "rule", "trust": "trust", "k": "k", "met": "1", "weight": "weight",
			"requests": "requests", "peak": "peak", "ok": "ok", "errors": "errors", "distinct_paths": "distinct_paths",
			"addresses": "addresses", "ok_addresses": "ok_addresses", "ja4s": "ja4s", "share": "share", "score": "score",
			"baseline_score": "baseline_score", "baseline_ratio": "baseline_ratio",
			"first_us": "first_us", "last_us": "last_us", "population": "population"}) +
			"\nFROM measured\nWHERE " + s.perRule("rule", s.whenColumn, s.when),
		"SELECT " + s.list(map[string]string{"rule": "rule", "trust": "trust", "population": "MAX(population)", "volume": "MAX(total)",
			"older": "COALESCE(MAX(older), 0)", "busiest": "MAX(busiest)", "median": "MAX(med)", "scale": "MAX(scale)"}) +
			"\nFROM scored LEFT JOIN halves USING (rule, trust) GROUP BY rule, trust",
		"SELECT " + s.list(s.healthColumns()) + "\nFROM src",
	}
	if refs := s.q.presentRefs(); len(refs) > 0 {
		selects = append(selects, s.after(refs))
	}
	return steps, strings.Join(selects, "\nUNION ALL\n") + "\nORDER BY rule, trust, requests DESC, k"
}

// candidates measures the keys that can be offenders.
//
// A row of a key is looked at once, with the bits of the key's rules it counts
// for, and never once a rule: one address can send most of the requests and
// break every rule, with a path of its own in each request. So nothing here
// holds a row of its own for a request and a rule, nor a text for a request;
// wanted is computed anew where it is read, from src, which is in memory.
func (s *scan) candidates() []cte {
	tallied := func(m measure) bool {
		return m == mRequests || m == mShare || m == mScore || m == mBaselineScore || m == mBaselineRatio || m == mWeight && !s.weighed
	}
	known := func(m measure) bool { return m == mWeight || tallied(m) }
	// Different values by their MD5, of 16 bytes however long the text; a fast
	// hash would let a client choose paths that count as one.
	different := func(field, more string) string {
		return "FROM (SELECT kid, md5_number(" + field + ") AS v, BIT_OR(bits) AS bits FROM wanted" + more + " GROUP BY ALL) x JOIN candidates c USING (kid)\n" +
			"WHERE (x.bits >> c.rule) & 1 = 1 GROUP BY c.id"
	}
	return []cte{
		{name: "near", body: "SELECT r.grp AS grp, r.counter AS counter, rule, trust, requests, share, score, baseline_score, baseline_ratio, population\n" +
			"FROM scored JOIN rules r ON r.id = rule\nWHERE " +
			s.perRule("rule", s.whenColumn, func(c compiled) cond { return weaken(s.when(c), c.heaviest(), tallied) })},
		{name: "possible", hint: keep, body: "SELECT n.* EXCLUDE (counter), c.k" + s.ifWeighed(", c.weight") + "\nFROM counts c JOIN near n USING (counter, trust, requests)" +
			s.ifWeighed("\nWHERE "+s.perRule("rule", s.whenColumn, func(c compiled) cond { return weaken(s.when(c), c.heaviest(), known) }))},
		{name: "keys", hint: keep, body: "SELECT ROW_NUMBER() OVER () AS kid, grp, trust, k, BIT_OR(" + s.bigint("1") + " << rule) AS bits\nFROM possible GROUP BY grp, trust, k"},
		{name: "candidates", hint: keep, body: "SELECT ROW_NUMBER() OVER () AS id, q.kid, p.*\nFROM possible p JOIN keys q USING (grp, trust, k)"},
		{name: "wanted", hint: compute, body: s.perGroup(func(grp int, key, _ string) string {
			return fmt.Sprintf("SELECT q.kid AS kid, q.grp AS grp, s.mask & q.bits AS bits, us, minute, f_path, f_client_key, f_ja4, f_status\n"+
				"FROM src s JOIN keys q ON q.k = %s AND q.trust = s.trust\n"+
				"WHERE q.grp = %d AND s.mask & q.bits <> 0 AND NOT f_blocked", key, grp)
		})},
		{name: "by_minute", body: "SELECT kid, bits, minute, COUNT(*) AS n, " + countIf(okStatus) + " AS ok, " + countIf(failedStatus) + " AS errors, MIN(us) AS first_us, MAX(us) AS last_us\n" +
			"FROM wanted GROUP BY kid, bits, minute"},
		{name: "minutes", body: "SELECT c.id AS id, SUM(n) AS n, SUM(ok) AS ok, SUM(errors) AS errors, MIN(first_us) AS first_us, MAX(last_us) AS last_us\n" +
			"FROM by_minute x JOIN candidates c USING (kid)\nWHERE (x.bits >> c.rule) & 1 = 1 GROUP BY c.id, minute"},
		{name: "totals", body: "SELECT id, MAX(n) AS peak, SUM(ok) AS ok, SUM(errors) AS errors, MIN(first_us) AS first_us, MAX(last_us) AS last_us\n" +
			"FROM minutes GROUP BY id"},
		{name: "paths", body: "SELECT c.id AS id, COUNT(*) AS distinct_paths\n" + different("f_path", "")},
		{name: "fingerprints", body: "SELECT c.id AS id, COUNT(*) AS ja4s\n" + different("f_ja4", " WHERE f_ja4 <> ''")},
		{name: "clients", body: "SELECT c.id AS id, COUNT(*) AS addresses, " + countIf("(x.ok >> c.rule) & 1 = 1") + " AS ok_addresses\n" +
			"FROM (SELECT kid, f_client_key, BIT_OR(bits) AS bits, BIT_OR(CASE WHEN " + okStatus + " THEN bits ELSE 0 END) AS ok\n" +
			"  FROM wanted WHERE grp <> 0 AND f_client_key <> '' GROUP BY kid, f_client_key) x JOIN candidates c USING (kid)\n" +
			"WHERE (x.bits >> c.rule) & 1 = 1 GROUP BY c.id"},
		{name: "measured", body: "SELECT c.*, t.* EXCLUDE (id), p.distinct_paths, COALESCE(f.ja4s, 0) AS ja4s,\n" +
			"  CASE WHEN grp = 0 THEN 1 ELSE COALESCE(a.addresses, 0) END AS addresses,\n" +
			"  CASE WHEN grp = 0 THEN CASE WHEN t.ok > 0 THEN 1 ELSE 0 END ELSE COALESCE(a.ok_addresses, 0) END AS ok_addresses\n" +
			"FROM candidates c JOIN totals t USING (id) JOIN paths p USING (id) LEFT JOIN fingerprints f USING (id) LEFT JOIN clients a USING (id)"},
	}
}

// counts counts what every key asked for: a step for each grouping, with a row
// a key and a column a counter, and counts, which lists them one below the other.
func (s *scan) counts() []cte {
	var steps []cte
	list := s.perGroup(func(grp int, key, bits string) string {
		var columns, counters, n, w []string
		for i, c := range s.q.Set.rules {
			if groupIndex(c.Group) != grp || s.q.Set.counter(i) != i {
				continue
			}
			hit := fmt.Sprintf("mask & %s <> 0", s.bigint(fmt.Sprint(int64(1)<<i)))
			columns = append(columns, fmt.Sprintf("%s AS n%d", countIf(hit), i))
			counters, n = append(counters, fmt.Sprint(i)), append(n, fmt.Sprintf("n%d", i))
			if s.weighed {
				columns = append(columns, fmt.Sprintf("%s AS w%d", s.bigint("SUM(CASE WHEN "+hit+" THEN w ELSE 0 END)"), i))
				w = append(w, fmt.Sprintf("w%d", i))
			}
		}
		name := fmt.Sprintf("counts_%d", grp)
		steps = append(steps, cte{name: name, hint: keep, body: fmt.Sprintf("SELECT trust, %s AS k,\n  %s\nFROM src\n"+
			"WHERE mask & %s <> 0 AND NOT f_blocked AND %s <> ''\nGROUP BY ALL", key, strings.Join(columns, ",\n  "), bits, key)})
		each := func(values []string) string { return "UNNEST([" + strings.Join(values, ", ") + "])" }
		return "SELECT trust, k, " + each(counters) + " AS counter, " + each(n) + " AS requests" + s.ifWeighed(", "+each(w)+" AS weight") + " FROM " + name
	})
	return append(steps, cte{name: "counts", hint: compute, body: "SELECT * FROM (\n" + indent(list) + "\n) WHERE requests > 0"})
}

// rulesTable lists the rules with their group and their counter.
func (s *scan) rulesTable() string {
	rows := make([]string, len(s.q.Set.rules))
	for i, c := range s.q.Set.rules {
		rows[i] = fmt.Sprintf("(%d, %d, %d)", i, groupIndex(c.Group), s.q.Set.counter(i))
	}
	return strings.Join(rows, ",\n    ")
}

// keyedBits is the mask without the bits of rules by whose group the row has no key.
func (s *scan) keyedBits() string {
	var parts []string
	for g, bits := range s.groupBits() {
		if bits != 0 {
			parts = append(parts, fmt.Sprintf("CASE WHEN %s <> '' THEN mask & %s ELSE 0 END", s.keyOf(groups[g]), s.bigint(fmt.Sprint(bits))))
		}
	}
	return strings.Join(parts, " + ")
}

// groupBits are the bits of the rules of each grouping.
func (s *scan) groupBits() []int64 {
	bits := make([]int64, len(groups))
	for i, c := range s.q.Set.rules {
		bits[groupIndex(c.Group)] |= 1 << i
	}
	return bits
}

// perGroup writes a SELECT for each grouping the rules use, with its number,
// its key and the bits of its rules.
func (s *scan) perGroup(one func(grp int, key, bits string) string) string {
	var parts []string
	for g, bits := range s.groupBits() {
		if bits != 0 {
			parts = append(parts, one(g, s.keyOf(groups[g]), s.bigint(fmt.Sprint(bits))))
		}
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

func (s *scan) healthColumns() map[string]string {
	given := map[string]string{"rule": "-1"}
	for _, n := range s.newestTests() {
		given[n.name] = "COALESCE(MAX(CASE WHEN " + n.test + " THEN us END), 0)"
	}
	for _, h := range s.healthTests() {
		given[h.name] = countIf(h.test)
		if h.name == "h_ok_requests" {
			given["h_ok_addresses"] = "COUNT(DISTINCT CASE WHEN " + h.test + " THEN NULLIF(" + f(record.ClientKey) + ", '') END)"
		}
	}
	given["h_oldest_us"] = "COALESCE(MIN(CASE WHEN " + s.newestTests()[0].test + " THEN us END), 0)"
	given["h_trusted_not_client"] = "0"
	if test := s.notClient("k"); test != "FALSE" { // once an address, not once a row
		given["h_trusted_not_client"] = "(SELECT COALESCE(SUM(n), 0) FROM (SELECT f_client_key AS k, COUNT(*) AS n FROM src WHERE us < " +
			s.named("to_us", s.q.To.UnixMicro()) + " AND " + trusted + " GROUP BY ALL) WHERE " + test + ")"
	}
	return given
}

// after counts what present keys asked for since their From.
func (s *scan) after(refs []keyRef) string {
	return "SELECT " + s.list(map[string]string{"rule": "p.rule", "k": "p.key", "after_n": "COUNT(*)",
		"after_refused": countIf("s.f_blocked"), "after_ok": countIf("NOT s.f_blocked AND " + okStatus), "after_last_us": "MAX(us)", "after_weight": "SUM(w)"}) +
		"\nFROM (" + s.perGroup(func(grp int, key, bits string) string {
		return fmt.Sprintf("SELECT %d AS grp, %s AS k, us, mask, f_blocked, f_status%s FROM src WHERE trust = 0 AND mask & %s <> 0", grp, key, s.ifWeighed(", w"), bits)
	}) + ") s\n  JOIN " + s.keyTable("present", refs) + " p ON p.key = s.k JOIN rules r ON r.id = p.rule AND r.grp = s.grp\n" +
		"WHERE (s.mask >> p.rule) & 1 = 1 AND us >= p.from_us\nGROUP BY p.rule, p.key"
}
