package detect

import (
	"fmt"
	"strings"

	"edgewarden/internal/record"
)

// seriesSQL adds up by slot what keys did.
func (r Replay) seriesSQL(d Dialect, src Source, keys []Keyed) (Statement, error) {
	s := newWeighingScan(d, src, r, r.Slot(), record.Cache, record.ClientKey, record.ClientPrefix)
	refs := make([]keyRef, len(keys))
	have := map[Group]bool{}
	for i, k := range keys {
		refs[i] = keyRef{rule: int64(groupIndex(k.Group)), key: k.Key, fromUs: int64(i)}
		have[k.Group] = true
	}
	var which []Group
	for _, g := range groups {
		if have[g] {
			which = append(which, g)
		}
	}
	carry := []record.Field{record.Cache, record.ClientKey, record.ClientPrefix}
	columns := "trust, slot, us, f_status, f_blocked, f_cache" + s.ifWeighed(", w")
	var steps []cte
	if d == BigQuery {
		steps = s.steps("", carry...)
		steps = append(steps,
			cte{name: "keyed", body: "SELECT g.grp AS rule, 0 AS no_trust, " + s.keyOfGroup(which) + " AS k, mask & g.bits AS bits, " + columns + "\nFROM src CROSS JOIN UNNEST([" + s.groupStructs(which) + "]) g"},
			cte{name: "hits", body: "SELECT q.from_us AS kid, bits, " + columns + "\nFROM keyed h JOIN " + s.keyTable("keys", refs) + " q\n  ON q.id = CAST(h.rule AS STRING) || '/0/' || h.k"})
	} else {
		table := cte{name: "keys", hint: keep, body: "SELECT rule, key, from_us FROM " + s.keyTable("keys", refs)}
		steps = append([]cte{table}, s.steps(s.amongKeys("keys", "rule", which), carry...)...)
		steps[len(steps)-1].hint = keep
		var parts []string
		for _, g := range which {
			parts = append(parts, fmt.Sprintf("SELECT q.from_us AS kid, mask & %d AS bits, %s\nFROM src s JOIN keys q ON q.key = %s AND q.rule = %d", s.bitsOf(g), columns, s.keyOf(g), groupIndex(g)))
		}
		steps = append(steps, cte{name: "hits", body: strings.Join(parts, "\nUNION ALL\n")})
	}
	const passed = "NOT f_blocked"
	weighed := ""
	if s.weighed {
		for _, column := range []struct{ test, name string }{{passed, "weight"}, {"f_blocked", "refused_weight"}} {
			weighed += ",\n  " + s.bigint("SUM(CASE WHEN "+column.test+" THEN w ELSE 0 END)") + " AS " + column.name
		}
	}
	last := "SELECT " + s.bigint("kid") + " AS kid, " + s.bigint("trust") + " AS trust, " + s.bigint("bits") + " AS bits, " + s.bigint("slot") + " AS slot,\n  " +
		strings.Join([]string{
			countIf(passed) + " AS n", countIf(passed+" AND "+okStatus) + " AS ok", countIf(passed+" AND "+failedStatus) + " AS errors",
			countIf(passed+" AND "+okStatus+" AND STARTS_WITH(f_cache, 'HIT')") + " AS cached",
			"COALESCE(MIN(CASE WHEN " + passed + " THEN us END), 0) AS first_us", "COALESCE(MAX(CASE WHEN " + passed + " THEN us END), 0) AS last_us",
			countIf("f_blocked") + " AS refused", "MAX(us) AS last_all_us"}, ",\n  ") + weighed +
		"\nFROM hits GROUP BY 1, 2, 3, 4\nORDER BY kid, slot, trust, bits"
	return Statement{SQL: with(steps, last), Params: s.params}, nil
}

// bitsOf are the bits of a group's rules.
func (s *replayScan) bitsOf(g Group) int64 { return s.groupBits()[groupIndex(g)] }

func (s *replayScan) groupStructs(which []Group) string {
	var rows []string
	for _, g := range which {
		rows = append(rows, fmt.Sprintf("STRUCT(%d AS grp, %d AS bits)", groupIndex(g), s.bitsOf(g)))
	}
	return strings.Join(rows, ", ")
}

// keyOfGroup is the key of a row of src under the group joined as g.
func (s *scan) keyOfGroup(which []Group) string {
	var b strings.Builder
	b.WriteString("CASE g.grp")
	for _, g := range which {
		fmt.Fprintf(&b, " WHEN %d THEN %s", groupIndex(g), s.keyOf(g))
	}
	b.WriteString(" ELSE '' END")
	return b.String()
}

// amongKeys is the condition of a row one of whose keys is in a table of keys. kind
// gives the group of an entry, as a number.
func (s *scan) amongKeys(table, kind string, which []Group) string {
	var parts []string
	for _, g := range which {
		column := f(keyField(g))
		if g == ByASN {
			column = "CAST(" + column + " AS " + s.str + ")"
		}
		parts = append(parts, fmt.Sprintf("%s IN (SELECT key FROM %s WHERE %s = %d)", column, table, kind, groupIndex(g)))
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}
