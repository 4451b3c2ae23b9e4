package detect

import (
	"fmt"
	"slices"
	"strings"
)

// candidatesSlid is DuckDB's shape. A rule that looks at the key alone lets a
// key go as soon as all its requests in the range are below the rule's floor;
// only rules with a share or a score slide over everybody, once for all that
// count the same. From keys on a key is a number: its text is hashed and copied
// for candidates alone.
func (s *replayScan) candidatesSlid(steps []cte) Statement {
	first, last := s.stepsOf("slot", "width")
	steps = append(steps,
		cte{name: "rules(id, grp, width, pop)", body: "VALUES\n    " + s.replayRules(func(id, grp, width, pop int64) string {
			return fmt.Sprintf("(%d, %d, %d, %d)", id, grp, width, pop)
		})},
		cte{name: "by_key", hint: keep, body: s.slotsByKey()},
		cte{name: "keys", hint: keep, body: "SELECT ROW_NUMBER() OVER () AS kid, * FROM (\n" + indent(s.aliveKeys()) + "\n)"},
		cte{name: "slots", body: s.slots("q.alive <> 0", "((b.bits & q.alive) >> r.id) & 1 = 1") + "\nUNION ALL\n" + s.slots("TRUE", "r.pop = r.id AND (b.bits >> r.id) & 1 = 1")},
		cte{name: "slid", body: fmt.Sprintf("SELECT rule, trust, kid, UNNEST(range(%s,\n    1 + %s)) AS step, n%s\nFROM slots", first, last, s.ifWeighed(", w"))},
		cte{name: "per_key", hint: keep, body: "SELECT rule, trust, kid, step, SUM(n)::BIGINT AS requests" + s.ifWeighed(", SUM(w)::BIGINT AS weight") + "\nFROM slid GROUP BY ALL"})
	selects := []string{"SELECT step, c.rule AS rule, trust, kid, requests, 0e0 AS share, 0e0 AS score\nFROM per_key c JOIN rules r ON r.id = c.rule AND r.pop < 0\nWHERE " +
		s.perRule("c.rule", s.plainColumn, earlyPart)}
	if slices.ContainsFunc(s.q.Set.rules, compiled.populated) {
		tallied := func(m measure) bool { return knownEarly(m) && (m != mWeight || !s.weighed) }
		steps = append(steps, cte{name: "tally", body: "SELECT c.rule AS rule, trust, step, requests, COUNT(*) AS members\nFROM per_key c JOIN rules r ON r.pop = c.rule AND r.id = c.rule\nGROUP BY ALL"})
		steps = append(steps, s.scoringBy("rule, trust, step", "")...)
		steps = append(steps, cte{name: "near", body: "SELECT r.id AS id, c.rule AS rule, trust, step, requests, share, score\nFROM scored c JOIN rules r ON r.pop = c.rule\nWHERE " +
			s.perRule("r.id", s.whenColumn, func(c compiled) cond { return weaken(c.judged(false), c.heaviest(), tallied) })})
		selects = append(selects, "SELECT step, id AS rule, trust, kid, requests, share, score\nFROM per_key JOIN near USING (rule, trust, step, requests)"+
			s.ifWeighed("\nWHERE "+s.perRule("id", s.whenColumn, earlyPart)))
	}
	first, last = s.stepsOf("slot", fmt.Sprint(s.stride()))
	selects = append(selects, fmt.Sprintf("SELECT step, -1 AS rule, trust, NULL AS kid, SUM(n)::BIGINT AS requests, 0e0 AS share, 0e0 AS score\n"+
		"FROM (SELECT UNNEST(range(%s,\n    1 + %s)) AS step, trust, n FROM by_key WHERE grp < 0) GROUP BY ALL", first, last))
	return Statement{SQL: with(steps, "SELECT step, rule::BIGINT AS rule, c.trust::BIGINT AS trust, COALESCE(k, '') AS k, requests, share, score\nFROM (\n"+
		indent(strings.Join(selects, "\nUNION ALL\n"))+"\n) c LEFT JOIN keys USING (kid)\nORDER BY step, rule, c.trust, k"), Params: s.params}
}

// slots are the slots of the given keys, once for each of the given rules that counts them.
func (s *replayScan) slots(keys, rules string) string {
	return "SELECT r.id AS rule, r.width AS width, b.trust AS trust, kid, slot, n" + s.ifWeighed(", w") + "\nFROM by_key b JOIN (SELECT * FROM keys q WHERE " + keys + ") q USING (grp, trust, k)\n" +
		"  JOIN rules r ON r.grp = b.grp AND " + rules
}

// slotsByKey counts by slot, key and the bits of the key's rules, for all
// groupings while src is read once. Group -1 has everybody's requests.
func (s *replayScan) slotsByKey() string {
	var columns, ks, bits, sets []string
	group := "CASE"
	for g, b := range s.groupBits() {
		if b == 0 {
			continue
		}
		columns = append(columns, fmt.Sprintf("%s AS k%d, mask & %s AS bits%d", s.keyOf(groups[g]), g, s.bigint(fmt.Sprint(b)), g))
		ks, bits = append(ks, fmt.Sprintf("k%d", g)), append(bits, fmt.Sprintf("bits%d", g))
		sets = append(sets, fmt.Sprintf("(slot, trust, k%d, bits%d)", g, g))
		group += fmt.Sprintf(" WHEN GROUPING(k%d) = 0 THEN %d", g, g)
	}
	return "SELECT * FROM (\n  SELECT " + group + " ELSE -1 END AS grp, trust, COALESCE(" + strings.Join(ks, ", ") + ") AS k, slot, COALESCE(" + strings.Join(bits, ", ") + ") AS bits, COUNT(*) AS n" +
		s.ifWeighed(", SUM(w)::BIGINT AS w") + "\n  FROM (SELECT slot, trust, " + strings.Join(columns, ", ") + s.ifWeighed(", w") + " FROM src)\n" +
		"  GROUP BY GROUPING SETS (" + strings.Join(sets, ", ") + ", (slot, trust)))\nWHERE grp < 0 OR bits <> 0 AND k <> ''"
}

// aliveKeys has every key that is looked at, with a bit for each rule without
// population whose floor its requests of the whole range reach. Of a grouping
// where no rule compares with everybody, keys without a bit are left out.
func (s *replayScan) aliveKeys() string {
	return s.perGroup(func(grp int, _, _ string) string {
		alive, sums := []string{s.bigint("0")}, []string{"grp", "trust", "k"}
		all := false
		for i, c := range s.q.Set.rules {
			switch {
			case groupIndex(c.Group) != grp:
			case c.populated():
				all = true
			default: // rules that count the same share the sum
				alive = append(alive, fmt.Sprintf("CASE WHEN n%d >= %d THEN %s ELSE 0 END", s.q.Set.counter(i), c.floor(), s.bigint(fmt.Sprint(int64(1)<<i))))
				if n := fmt.Sprintf("SUM(CASE WHEN (bits >> %d) & 1 = 1 THEN n ELSE 0 END) AS n%[1]d", s.q.Set.counter(i)); !slices.Contains(sums, n) {
					sums = append(sums, n)
				}
			}
		}
		only := ""
		if !all {
			only = " WHERE alive <> 0"
		}
		return fmt.Sprintf("SELECT * FROM (SELECT grp, trust, k, %s AS alive\n  FROM (SELECT %s FROM by_key WHERE grp = %d GROUP BY grp, trust, k))%s",
			strings.Join(alive, "\n    + "), strings.Join(sums, ", "), grp, only)
	})
}

// plainColumn is a measure's column where share and score are not known: rules
// that use them are left out there, but the condition of each rule is written.
func (s *replayScan) plainColumn(n int) string {
	if m := measure(n); m == mShare || m == mScore {
		return "0e0"
	}
	return s.whenColumn(n)
}
