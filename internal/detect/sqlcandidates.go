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

// candidatesSQL counts what lies in the windows of every step, and keeps who can be
// an offender by requests, share and score. Rule -1 has the requests of everybody
// since the step before.
func (r Replay) candidatesSQL(d Dialect, src Source) (Statement, error) {
	s := newWeighingScan(d, src, r, r.grain())
	steps := s.steps("NOT f_blocked")
	if d == BigQuery {
		return s.candidatesChain(steps), nil
	}
	return s.candidatesCut(steps), nil
}

func knownEarly(m measure) bool {
	return m == mRequests || m == mWeight || m == mShare || m == mScore
}

func earlyPart(c compiled) cond { return weaken(c.judged(false), c.heaviest(), knownEarly) }

// candidatesChain is BigQuery's shape, each step read once: it counts by slot, key
// and mask, and slides the windows over the slots.
func (s *replayScan) candidatesChain(steps []cte) Statement {
	rules := s.replayRules(func(id, grp, width int64) string {
		return fmt.Sprintf("STRUCT(%d AS id, %d AS bit, %d AS grp, %d AS width)", id, id, grp, width)
	}) + fmt.Sprintf(",\n    STRUCT(-1 AS id, 0 AS bit, 0 AS grp, %d AS width)", s.stride()) // of everything, for the totals
	first, last := s.stepsOf("slot", "width")
	key, w := s.key(), s.ifWeighed(", w")
	keys := "slot, trust, " + strings.Join(s.keyColumns(), ", ") + ", mask"
	rider, unpacked, of := "k", "k", "k"
	if s.weighed {
		rider, unpacked, of = "STRUCT(k AS k, weight AS weight)", "m.k AS k, m.weight AS weight", "m"
	}
	steps = append(steps,
		cte{name: "counted", body: "SELECT " + keys + ", COUNT(*) AS n" + s.ifWeighed(", SUM(w) AS w") + "\nFROM src\nGROUP BY " + keys},
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
