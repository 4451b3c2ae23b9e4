package detect

import (
	"fmt"
	"strings"
)

// keep makes DuckDB compute a step once and hold its rows in memory.
const keep = "MATERIALIZED "

// compute makes DuckDB compute a step wherever it is read, and hold nothing.
const compute = "NOT MATERIALIZED "

// countFirst is DuckDB's shape: count every key, keep the keys that can still
// be offenders by what is known then (requests, share, score), and measure the
// rest for those alone. A key has one row with a column for each rule, never a
// row a rule; rules that count the same requests share the column. src is kept
// in memory, so the files are read once; so it has narrow columns: of a status what
// okStatus and failedStatus ask of it, and minutes that fit, since MaxWindow is a
// day and [Query.Until] little more than a day away.
func (s *scan) countFirst(steps []cte) ([]cte, string) {
	steps[2].name = "wide"
	steps = append(steps, cte{name: "src", hint: keep, body: "SELECT * REPLACE (minute::SMALLINT AS minute, trust::TINYINT AS trust, LEAST(GREATEST(f_status, 0), 1000)::SMALLINT AS f_status)\nFROM wide"})
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
	met := s.perRule("rule", s.whenColumn, s.when)
	selects := []string{
		"SELECT " + s.list(map[string]string{"rule": "rule", "trust": "trust", "k": "k", "met": s.metOf(met), "weight": "weight",
			"requests": "requests", "peak": "peak", "ok": "ok", "errors": "errors", "distinct_paths": "distinct_paths",
			"addresses": "addresses", "ok_addresses": "ok_addresses", "ja4s": "ja4s", "share": "share", "score": "score",
			"baseline_score": "baseline_score", "baseline_ratio": "baseline_ratio",
			"first_us": "first_us", "last_us": "last_us", "population": "population"}) +
			"\nFROM measured\nWHERE " + met + s.alsoAsked(),
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
// wanted is read once, grouped at the same time by minute and by each value of which the different ones are counted: in
// parts a row has one of minute, path, ja4 and address, and the others are NULL. Paths and fingerprints are told apart by
// their MD5, of 16 bytes however long the text; a fast hash would let a client choose paths that count as one.
func (s *scan) candidates() []cte {
	tallied := func(m measure) bool {
		return m == mRequests || m == mShare || m == mScore || m == mBaselineScore || m == mBaselineRatio || m == mWeight && !s.weighed
	}
	known := func(m measure) bool { return m == mWeight || tallied(m) }
	// What a minute adds up to, without the rows of different values, whose minute is NULL.
	ofMinutes := func(aggregate, column string) string {
		return aggregate + "(CASE WHEN minute IS NOT NULL THEN " + column + " END)"
	}
	return []cte{
		s.near(s.perRule("rule", s.whenColumn, func(c compiled) cond { return weaken(s.when(c), c.heaviest(), tallied) })),
		s.possible(s.perRule("rule", s.whenColumn, func(c compiled) cond { return weaken(s.when(c), c.heaviest(), known) })),
		{name: "keys", hint: keep, body: "SELECT ROW_NUMBER() OVER () AS kid, grp, trust, k, BIT_OR(" + s.bigint("1") + " << rule) AS bits\nFROM possible GROUP BY grp, trust, k"},
		{name: "candidates", hint: keep, body: "SELECT ROW_NUMBER() OVER () AS id, q.kid, p.*\nFROM possible p JOIN keys q USING (grp, trust, k)"},
		{name: "wanted", hint: compute, body: s.perGroup(func(grp int, key, _ string) string {
			return fmt.Sprintf("SELECT q.kid AS kid, q.grp AS grp, s.mask & q.bits AS bits, us, minute, f_path, f_client_key, f_ja4, f_status\n"+
				"FROM src s JOIN keys q ON q.k = %s AND q.trust = s.trust\n"+
				"WHERE q.grp = %d AND s.mask & q.bits <> 0 AND NOT f_blocked", key, grp)
		})},
		{name: "parts", body: "SELECT kid, minute, path, ja4, address, BIT_OR(bits) AS bits, BIT_OR(ok_bits) AS ok_bits, COUNT(*) AS n,\n" +
			"  " + countIf("ok_bits <> 0") + " AS ok, " + countIf(failedStatus) + " AS errors, MIN(us) AS first_us, MAX(us) AS last_us\n" +
			"FROM (SELECT *, bits AS own_bits, CASE WHEN " + okStatus + " THEN bits ELSE 0 END AS ok_bits, NULLIF(f_client_key, '') AS address,\n" +
			"  md5_number(f_path) AS path, CASE WHEN f_ja4 <> '' THEN md5_number(f_ja4) END AS ja4 FROM wanted)\n" +
			"GROUP BY GROUPING SETS ((kid, minute, own_bits), (kid, path), (kid, ja4), (kid, address))"},
		{name: "minutes", body: "SELECT c.id AS id, minute, SUM(n) AS n, SUM(ok) AS ok, SUM(errors) AS errors, MIN(first_us) AS first_us, MAX(last_us) AS last_us,\n" +
			"  COUNT(path) AS distinct_paths, COUNT(ja4) AS ja4s, COUNT(address) AS addresses, " + countIf("address IS NOT NULL AND (ok_bits >> c.rule) & 1 = 1") + " AS ok_addresses\n" +
			"FROM parts x JOIN candidates c USING (kid)\nWHERE (x.bits >> c.rule) & 1 = 1 GROUP BY c.id, minute"},
		{name: "measured", body: "SELECT c.*, t.* EXCLUDE (id)\nFROM candidates c JOIN (\n" +
			"  SELECT id, " + ofMinutes("MAX", "n") + " AS peak, " + ofMinutes("SUM", "ok") + " AS ok, " + ofMinutes("SUM", "errors") + " AS errors, " + ofMinutes("MIN", "first_us") + " AS first_us, " + ofMinutes("MAX", "last_us") + " AS last_us,\n" +
			"    SUM(distinct_paths) AS distinct_paths, SUM(ja4s) AS ja4s, SUM(addresses) AS addresses, SUM(ok_addresses) AS ok_addresses\n" +
			"  FROM minutes GROUP BY id) t USING (id)"},
	}
}

// counts counts what every key asked for: a step for each grouping, with a row
// a key and a column a counter, and counts, which lists them one below the other.
// by_address has every address, and what the health of the data asks of it.
func (s *scan) counts() []cte {
	var steps []cte
	var lists []string
	for g, bits := range s.groupBits() {
		var columns, counters, n, w []string
		for i, c := range s.q.Set.rules {
			if groupIndex(c.Group) != g || s.q.Set.counter(i) != i {
				continue
			}
			hit := fmt.Sprintf("mask & %s <> 0 AND NOT f_blocked", s.bigint(fmt.Sprint(int64(1)<<i)))
			columns = append(columns, fmt.Sprintf("%s AS n%d", countIf(hit), i))
			counters, n = append(counters, fmt.Sprint(i)), append(n, fmt.Sprintf("n%d", i))
			if s.weighed {
				columns = append(columns, fmt.Sprintf("%s AS w%d", s.bigint("SUM(CASE WHEN "+hit+" THEN w ELSE 0 END)"), i))
				w = append(w, fmt.Sprintf("w%d", i))
			}
		}
		where := fmt.Sprintf("\nWHERE mask & %s <> 0", s.bigint(fmt.Sprint(bits)))
		if groups[g] == ByAddress {
			where = ""
			for _, h := range s.healthTests() {
				if h.name == "h_trusted" || h.name == "h_ok_requests" {
					columns = append(columns, countIf(h.test)+" AS "+h.name)
				}
			}
		}
		if len(columns) == 0 {
			continue
		}
		name := "by_" + string(groups[g])
		steps = append(steps, cte{name: name, hint: keep, body: "SELECT trust, " + s.keyOf(groups[g]) + " AS k,\n  " + strings.Join(columns, ",\n  ") + "\nFROM src" + where + "\nGROUP BY ALL"})
		each := func(values []string) string { return "UNNEST([" + strings.Join(values, ", ") + "])" }
		if bits != 0 {
			lists = append(lists, "SELECT trust, k, "+each(counters)+" AS counter, "+each(n)+" AS requests"+s.ifWeighed(", "+each(w)+" AS weight")+" FROM "+name+" WHERE k <> ''")
		}
	}
	return append(steps, cte{name: "counts", hint: compute, body: "SELECT * FROM (\n" + indent(strings.Join(lists, "\nUNION ALL\n")) + "\n) WHERE requests > 0"})
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
	}
	given["h_ok_addresses"] = "(SELECT " + countIf("h_ok_requests > 0 AND k <> ''") + " FROM by_address)"
	given["h_oldest_us"] = "COALESCE(MIN(CASE WHEN " + s.newestTests()[0].test + " THEN us END), 0)"
	given["h_trusted_not_client"] = "0"
	if test := s.notClient("k"); test != "FALSE" { // once an address, not once a row
		given["h_trusted_not_client"] = "(SELECT COALESCE(SUM(h_trusted), 0) FROM by_address WHERE " + test + ")"
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
