package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"edgewarden/internal/record"
)

// distinctSQL counts different values in the windows of candidates.
func (r Replay) distinctSQL(d Dialect, src Source, wants []want) (Statement, error) {
	s := newReplayScan(d, src, r, r.grain(), record.Path, record.JA4, record.ClientKey)
	refs := make([]keyRef, len(wants))
	for i, w := range wants {
		refs[i] = keyRef{rule: w.rule, trust: w.trust, key: w.key, fromUs: w.step*8 + w.kinds}
	}
	var which []Group
	for _, g := range groups {
		if slices.ContainsFunc(wants, func(w want) bool { return s.q.Set.rules[w.rule%MaxRules].Group == g }) {
			which = append(which, g)
		}
	}
	carry := []record.Field{record.Path, record.JA4, record.ClientKey}
	rules := "rules r"
	path := "f_path"
	wanted := s.keyTable("wants", refs)
	var steps []cte
	if d == BigQuery {
		steps = s.steps("NOT f_blocked", carry...)
		rules = "UNNEST([\n    " + s.wantedRules(wants, func(id, grp, width int64) string {
			return fmt.Sprintf("STRUCT(%d AS id, %d AS grp, %d AS width)", id, grp, width)
		}) + "\n  ]) r"
	} else {
		path = "md5_number(f_path)"
		table := cte{name: "rules(id, grp, width)", hint: keep, body: "VALUES\n    " + s.wantedRules(wants, func(id, grp, width int64) string {
			return fmt.Sprintf("(%d, %d, %d)", id, grp, width)
		})}
		steps = append([]cte{table, {name: "wants", hint: keep, body: "SELECT w.*, r.grp AS grp FROM " + wanted + " w JOIN rules r ON r.id = w.rule"}},
			s.steps("NOT f_blocked AND "+s.amongKeys("wants", "grp", which), carry...)...)
		wanted = "wants"
	}
	key := s.key()
	counts := "(mask >> r.id) & 1 = 1"
	if slices.ContainsFunc(wants, func(w want) bool { return w.rule >= MaxRules }) {
		counts = fmt.Sprintf("(r.id >= %d OR (mask >> (r.id %% %d)) & 1 = 1)", MaxRules, MaxRules)
		if d == BigQuery {
			counts = fmt.Sprintf("(r.id >= %d OR (mask >> MOD(r.id, %d)) & 1 = 1)", MaxRules, MaxRules)
		}
	}
	steps = append(steps,
		cte{name: "hits", body: fmt.Sprintf("SELECT r.id AS rule, r.width AS width, trust, %s AS k, slot, %s AS path, f_client_key AS address, f_ja4 AS ja4, %s AS fine\nFROM src CROSS JOIN %s\n"+
			"WHERE %s AND %s <> ''", key, path, okStatus, rules, counts, key)},
		cte{name: "told", body: fmt.Sprintf("SELECT h.rule AS rule, h.trust AS trust, h.k AS k, %s AS step, w.from_us & 7 AS kinds, path, address, ja4, fine\n"+
			"FROM hits h JOIN %s w\n  ON %s\nWHERE h.slot < %d + %s * %d AND h.slot >= %d + %s * %d - h.width",
			s.div("w.from_us", "8"), wanted, s.sameKey("w", "h"), s.ends(), s.div("w.from_us", "8"), s.stride(), s.ends(), s.div("w.from_us", "8"), s.stride())})
	of := func(kind int, value string) string {
		return fmt.Sprintf("COUNT(DISTINCT CASE WHEN kinds & %d <> 0 THEN %s END)", kind, value)
	}
	last := "SELECT " + s.bigint("rule") + " AS rule, " + s.bigint("trust") + " AS trust, k, " + s.bigint("step") + " AS step,\n  " +
		of(distinctPaths, "path") + " AS paths, " + of(distinctJA4s, "NULLIF(ja4, '')") + " AS ja4s,\n  " +
		of(distinctAddresses, "NULLIF(address, '')") + " AS addresses, " + of(distinctAddresses, "CASE WHEN fine THEN NULLIF(address, '') END") + " AS ok_addresses\n" +
		"FROM told GROUP BY 1, 2, 3, 4\nORDER BY step, rule, trust, k"
	return Statement{SQL: with(steps, last), Params: s.params}, nil
}

// wantedRules are the rules that are asked about: id, group and width of the window in slots. A [wholeID] is
// one of them, with the group and the window of its rule.
func (s *replayScan) wantedRules(wants []want, row func(id, grp, width int64) string) string {
	asked := map[int64]bool{}
	for _, w := range wants {
		asked[w.rule] = true
	}
	var rows []string
	for _, id := range slices.Sorted(maps.Keys(asked)) {
		c := s.q.Set.rules[id%MaxRules]
		rows = append(rows, row(id, int64(groupIndex(c.Group)), int64(c.Window/s.slot)))
	}
	return strings.Join(rows, ",\n    ")
}

// clientsSQL lists who was in held prefixes.
func (r Replay) clientsSQL(d Dialect, src Source, holds []Hold) (Statement, error) {
	s := newReplayScan(d, src, r, r.Slot(), record.ClientKey, record.ClientPrefix)
	const half = 1 << 31 // slots of one replay are fewer
	refs := make([]keyRef, len(holds))
	for i, h := range holds {
		from, until := max(r.slots(h.From, s.slot), 0), max(r.slots(h.Until, s.slot), 0)
		refs[i] = keyRef{rule: int64(groupIndex(ByPrefix)), key: h.Key, fromUs: from*half + until}
	}
	steps := s.steps("NOT f_blocked", record.ClientKey, record.ClientPrefix)
	on := "q.key = f_client_prefix"
	if d == BigQuery {
		on = fmt.Sprintf("q.id = '%d/0/' || f_client_prefix", groupIndex(ByPrefix))
	}
	last := "SELECT f_client_prefix AS k, f_client_key AS client, COUNT(*) AS n, " + countIf(okStatus) + " AS ok\nFROM src JOIN " + s.keyTable("holds", refs) + " q\n  ON " + on +
		fmt.Sprintf("\nWHERE slot >= %s AND slot < (q.from_us & %d) AND f_client_key <> ''\nGROUP BY 1, 2\nORDER BY k, client", s.div("q.from_us", fmt.Sprint(half)), half-1)
	return Statement{SQL: with(steps, last), Params: s.params}, nil
}
