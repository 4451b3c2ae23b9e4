package detect

import (
	"fmt"
	"slices"
	"strings"
)

// keyColumns are the columns the rules' keys are made of.
func (s *replayScan) keyColumns() []string {
	var out []string
	for _, g := range groups {
		if slices.ContainsFunc(s.q.Set.rules, func(c compiled) bool { return c.Group == g }) {
			out = append(out, f(keyField(g)))
		}
	}
	return out
}

// candidatesSQL counts by slot, key and mask, slides the windows over the slots,
// and keeps who can be an offender by requests, share and score. Rule -1 has the
// requests of everybody since the step before.
func (r Replay) candidatesSQL(d Dialect, src Source) (Statement, error) {
	s := newWeighingScan(d, src, r, r.grain())
	keys := strings.Join(s.keyColumns(), ", ")
	steps := append(s.steps("NOT f_blocked"),
		cte{name: "counted", body: "SELECT slot, trust, " + keys + ", mask, COUNT(*) AS n" + s.ifWeighed(", SUM(w) AS w") + "\nFROM src\nGROUP BY slot, trust, " + keys + ", mask"})
	if d == BigQuery {
		return s.candidatesChain(steps), nil
	}
	steps[len(steps)-1].hint = keep
	return s.candidatesSlid(steps), nil
}

func knownEarly(m measure) bool {
	return m == mRequests || m == mWeight || m == mShare || m == mScore
}

func earlyPart(c compiled) cond { return weaken(c.judged(false), c.heaviest(), knownEarly) }

// candidatesChain is BigQuery's shape, each step read once.
func (s *replayScan) candidatesChain(steps []cte) Statement {
	rules := s.replayRules(func(id, grp, width, _ int64) string {
		return fmt.Sprintf("STRUCT(%d AS id, %d AS bit, %d AS grp, %d AS width)", id, id, grp, width)
	}) + fmt.Sprintf(",\n    STRUCT(-1 AS id, 0 AS bit, 0 AS grp, %d AS width)", s.stride()) // of everything, for the totals
	first, last := s.stepsOf("slot", "width")
	key, w := s.key(), s.ifWeighed(", w")
	rider, unpacked, of := "k", "k", "k"
	if s.weighed {
		rider, unpacked, of = "STRUCT(k AS k, weight AS weight)", "m.k AS k, m.weight AS weight", "m"
	}
	steps = append(steps,
		cte{name: "hits", body: fmt.Sprintf("SELECT r.id AS rule, r.width AS width, trust, CASE WHEN r.id < 0 THEN '' ELSE %s END AS k, slot, n%s\nFROM counted CROSS JOIN UNNEST([\n    %s\n  ]) r\n"+
			"WHERE r.id < 0 OR ((mask >> r.bit) & 1 = 1 AND %s <> '')", key, w, rules, key)},
		cte{name: "slid", body: fmt.Sprintf("SELECT rule, trust, k, step, n%s\nFROM hits CROSS JOIN UNNEST(GENERATE_ARRAY(%s,\n    %s)) step", w, first, last)},
		cte{name: "per_key", body: "SELECT rule, trust, step, k, SUM(n) AS requests" + s.ifWeighed(", SUM(w) AS weight") + "\nFROM slid GROUP BY rule, trust, step, k"},
		cte{name: "tally", body: "SELECT rule, trust, step, requests, COUNT(*) AS members,\n  ARRAY_AGG(CASE WHEN rule < 0 OR " +
			s.perRule("rule", s.whenColumn, func(c compiled) cond {
				return weaken(c.judged(false), c.heaviest(), func(m measure) bool { return m == mRequests || m == mWeight })
			}) +
			"\n    THEN " + rider + " END IGNORE NULLS) AS riders\nFROM per_key GROUP BY rule, trust, step, requests"})
	steps = append(steps, s.scoringBy("rule, trust, step", "")...)
	steps = append(steps, cte{name: "unpacked", body: "SELECT rule, trust, step, " + unpacked + ", requests, share, score\nFROM scored t CROSS JOIN UNNEST(IFNULL(t.riders, [])) " + of})
	return Statement{SQL: with(steps, "SELECT step, rule, trust, k, requests, share, score\nFROM unpacked\nWHERE rule < 0 OR "+
		s.perRule("rule", s.whenColumn, earlyPart)+"\nORDER BY step, rule, trust, k"), Params: s.params}
}

// candidatesSlid is DuckDB's shape. A rule that looks at the key alone lets a
// key go as soon as all its requests in the range are below the rule's floor;
// only rules with a share or a score slide over everybody, once for all that
// count the same.
func (s *replayScan) candidatesSlid(steps []cte) Statement {
	steps = append(steps,
		cte{name: "rules(id, grp, width, pop)", body: "VALUES\n    " + s.replayRules(func(id, grp, width, pop int64) string {
			return fmt.Sprintf("(%d, %d, %d, %d)", id, grp, width, pop)
		})},
		cte{name: "by_key", hint: keep, body: s.perGroup(func(grp int, key, bits string) string {
			return fmt.Sprintf("SELECT %d AS grp, trust, %s AS k, slot, mask & %s AS bits, SUM(n)::BIGINT AS n%s\nFROM counted\n"+
				"WHERE mask & %s <> 0 AND %s <> ''\nGROUP BY ALL", grp, key, bits, s.ifWeighed(", SUM(w)::BIGINT AS w"), bits, key)
		})})
	var slots []string
	w := s.ifWeighed(", b.w")
	if plain := s.aliveBits(); plain != "" {
		steps = append(steps, cte{name: "alive", hint: keep, body: "SELECT * FROM (SELECT grp, trust, k, " + plain + " AS alive\nFROM by_key GROUP BY grp, trust, k) WHERE alive <> 0"})
		slots = append(slots, "SELECT r.id AS rule, r.width AS width, b.trust, b.k, b.slot, b.n"+w+"\nFROM by_key b JOIN alive a USING (grp, trust, k)\n"+
			"  JOIN rules r ON r.grp = b.grp AND ((b.bits & a.alive) >> r.id) & 1 = 1")
	}
	populated := slices.ContainsFunc(s.q.Set.rules, compiled.populated)
	if populated {
		slots = append(slots, "SELECT r.id AS rule, r.width AS width, b.trust, b.k, b.slot, b.n"+w+"\nFROM by_key b JOIN rules r ON r.grp = b.grp AND r.pop = r.id AND (b.bits >> r.id) & 1 = 1")
	}
	first, last := s.stepsOf("slot", "width")
	steps = append(steps,
		cte{name: "slots", body: strings.Join(slots, "\nUNION ALL\n")},
		cte{name: "slid", body: fmt.Sprintf("SELECT rule, trust, k, UNNEST(range(%s,\n    1 + %s)) AS step, n%s\nFROM slots", first, last, s.ifWeighed(", w"))},
		cte{name: "per_key", hint: keep, body: "SELECT rule, trust, step, k, SUM(n)::BIGINT AS requests" + s.ifWeighed(", SUM(w)::BIGINT AS weight") + "\nFROM slid GROUP BY ALL"})
	selects := []string{"SELECT step, c.rule AS rule, trust, k, requests, 0e0 AS share, 0e0 AS score\nFROM per_key c JOIN rules r ON r.id = c.rule AND r.pop < 0\nWHERE " +
		s.perRule("c.rule", s.plainColumn, earlyPart)}
	if populated {
		steps = append(steps, cte{name: "tally", body: "SELECT c.rule AS rule, trust, step, requests, COUNT(*) AS members\nFROM per_key c JOIN rules r ON r.pop = c.rule AND r.id = c.rule\nGROUP BY ALL"})
		steps = append(steps, s.scoringBy("rule, trust, step", "")...)
		selects = append(selects, "SELECT step, r.id AS rule, trust, k, requests, share, score\n"+
			"FROM (SELECT * FROM per_key JOIN scored USING (rule, trust, step, requests)) c JOIN rules r ON r.pop = c.rule\nWHERE "+
			s.perRule("r.id", s.whenColumn, earlyPart))
	}
	first, last = s.stepsOf("slot", fmt.Sprint(s.stride()))
	selects = append(selects, fmt.Sprintf("SELECT step, -1 AS rule, trust, '' AS k, SUM(n)::BIGINT AS requests, 0e0 AS share, 0e0 AS score\n"+
		"FROM (SELECT UNNEST(range(%s,\n    1 + %s)) AS step, trust, n FROM counted) GROUP BY ALL", first, last))
	return Statement{SQL: with(steps, "SELECT step, rule::BIGINT AS rule, trust::BIGINT AS trust, k, requests, share, score\nFROM (\n"+indent(strings.Join(selects, "\nUNION ALL\n"))+"\n)\nORDER BY step, rule, trust, k"), Params: s.params}
}

// plainColumn is a measure's column where share and score are not known: rules
// that use them are left out there, but the condition of each rule is written.
func (s *replayScan) plainColumn(n int) string {
	if m := measure(n); m == mShare || m == mScore {
		return "0e0"
	}
	return s.whenColumn(n)
}

// aliveBits has a bit for each rule without population whose floor a key's
// requests of the whole range reach; empty when there is no such rule.
func (s *replayScan) aliveBits() string {
	var bits []string
	for i, c := range s.q.Set.rules {
		if !c.populated() {
			bits = append(bits, fmt.Sprintf("CASE WHEN SUM(CASE WHEN (bits >> %d) & 1 = 1 THEN n ELSE 0 END) >= %d THEN %s ELSE 0 END", i, c.floor(), s.bigint(fmt.Sprint(int64(1)<<i))))
		}
	}
	return strings.Join(bits, "\n    + ")
}
