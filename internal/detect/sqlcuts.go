package detect

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// candidatesCut is DuckDB's shape. The moments at which the window of a step
// begins or ends cut the time into pieces. A key has a row with a column for each
// cut, its requests before it, and what lies in a window is the difference of two
// columns: however many windows hold a request, it makes no row of its own in any.
//
// Rules that look at a key by itself are asked only of keys that reach their floor
// in all the time together, those that compare it with everybody of all.
func (s *replayScan) candidatesCut(steps []cte) Statement {
	early := func(populated bool) string {
		return s.perRule("r.id", s.whenColumn, func(c compiled) cond {
			if c.populated() != populated {
				return constant(false)
			}
			return earlyPart(c)
		})
	}
	cuts := s.r.cuts()
	steps = append(steps,
		cte{name: "rules(id, counter)", body: "VALUES\n    " + s.countersTable()},
		cte{name: "by_key", hint: keep, body: s.countsByKey(cuts)},
		cte{name: "totals", body: totals(cuts)})
	selects := []string{"SELECT step, -1 AS rule, trust, '' AS k, requests, 0e0 AS share, 0e0 AS score\n" +
		fmt.Sprintf("FROM (SELECT trust, UNNEST(range(%d)) AS step, %s\n  FROM totals) WHERE requests > 0", s.r.Steps, s.inWindows(cuts, "n", s.r.Step.Microseconds(), "requests"))}
	if alone := s.countings(false); len(alone) > 0 {
		steps = append(steps, s.slid("alone", cuts, alone, func(grp int) string { return "by_key SEMI JOIN " + reaching(cuts, alone, grp) })...)
		selects = append(selects, "SELECT step, r.id AS rule, trust, k, requests, 0e0 AS share, 0e0 AS score\nFROM alone JOIN rules r USING (counter)\nWHERE "+early(false))
	}
	if crowd := s.countings(true); len(crowd) > 0 {
		tallied := func(m measure) bool { return knownEarly(m) && (m != mWeight || !s.weighed) }
		steps = append(steps, s.slid("everybody", cuts, crowd, func(int) string { return "by_key" })...)
		steps = append(steps, cte{name: "tally", body: "SELECT counter, trust, step, requests, COUNT(*) AS members\nFROM everybody GROUP BY ALL"})
		steps = append(steps, s.scoringBy("counter, trust, step", "")...)
		steps = append(steps, cte{name: "near", body: "SELECT r.id AS id, counter, trust, step, requests, share, score\nFROM scored JOIN rules r USING (counter)\nWHERE " +
			s.perRule("r.id", s.whenColumn, func(c compiled) cond {
				if !c.populated() {
					return constant(false)
				}
				return weaken(c.judged(false), c.heaviest(), tallied)
			})})
		selects = append(selects, "SELECT step, r.id AS rule, trust, k, requests, share, score\nFROM everybody JOIN near r USING (counter, trust, step, requests)"+
			s.ifWeighed("\nWHERE "+early(true)))
	}
	return Statement{SQL: with(steps, "SELECT step::BIGINT AS step, rule::BIGINT AS rule, trust::BIGINT AS trust, k, requests, share, score\nFROM (\n"+
		indent(strings.Join(selects, "\nUNION ALL\n"))+"\n)\nORDER BY step, rule, trust, k"), Params: s.params}
}

// cuts are the moments, in microseconds and in order, at which the window of a
// step begins or ends. The first is the replay's From.
func (r Replay) cuts() []int64 {
	var out []int64
	for step := range r.Steps {
		end := r.At(step)
		out = append(out, end.UnixMicro(), end.Add(-r.Step).UnixMicro())
		for _, c := range r.Set.rules {
			out = append(out, end.Add(-c.Window).UnixMicro())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Pieces is into how many pieces the windows of all steps cut the time. DuckDB
// counts a key's requests in a column for each, so they decide how much memory a
// key takes.
func (r Replay) Pieces() int { return len(r.cuts()) - 1 }

// counting is what rules of the same group, where and window count.
type counting struct {
	id, where, grp int   // the first rule that counts the same, the first with the same where, and the group
	width          int64 // of the window, in microseconds
	floor          int64 // the least of the rules' floors
}

// countings are those of the rules that compare a key with everybody, or of the others.
func (s *replayScan) countings(populated bool) []counting {
	var out []counting
	for i, c := range s.q.Set.rules {
		if c.populated() != populated {
			continue
		}
		id := s.q.Set.counter(i)
		if at := slices.IndexFunc(out, func(n counting) bool { return n.id == id }); at >= 0 {
			out[at].floor = min(out[at].floor, c.floor())
			continue
		}
		where := slices.IndexFunc(s.q.Set.rules, c.matchesLike)
		out = append(out, counting{id, where, groupIndex(c.Group), c.Window.Microseconds(), c.floor()})
	}
	return out
}

// countersTable lists the rules with their counter.
func (s *replayScan) countersTable() string {
	rows := make([]string, len(s.q.Set.rules))
	for i := range rows {
		rows[i] = fmt.Sprintf("(%d, %d)", i, s.q.Set.counter(i))
	}
	return strings.Join(rows, ",\n    ")
}

// countsByKey counts the requests before each cut but the first, by key and by the
// bits of the rules they match, while src is read once. An address tells its prefix
// and its network, so these are counted as one key; a fingerprint is chosen by the
// client, so it has rows of its own. Part 0 has every request.
func (s *replayScan) countsByKey(cuts []int64) string {
	var columns, keys, bits, sets, counts []string
	groupBits := s.groupBits()
	for _, together := range [][]Group{{ByAddress, ByPrefix, ByASN}, {ByJA4}} {
		var own []string
		var mask int64
		for _, group := range together {
			if g := groupIndex(group); groupBits[g] != 0 {
				own = append(own, fmt.Sprintf("k%d", g))
				columns = append(columns, fmt.Sprintf("%s AS k%d", s.keyOf(group), g))
				mask |= groupBits[g]
			}
		}
		if mask == 0 {
			continue
		}
		bit := fmt.Sprintf("bits%d", len(sets))
		columns = append(columns, fmt.Sprintf("mask & %s AS %s", s.bigint(fmt.Sprint(mask)), bit))
		keys, bits = append(keys, own...), append(bits, bit)
		sets = append(sets, "(trust, "+strings.Join(own, ", ")+", "+bit+")")
	}
	for i, cut := range cuts[1:] {
		before := fmt.Sprintf("us < %d", cut)
		counts = append(counts, countIf(before)+fmt.Sprintf(" AS n%d", i+1))
		if s.weighed {
			counts = append(counts, fmt.Sprintf("SUM(CASE WHEN %s THEN w ELSE 0 END)::BIGINT AS w%d", before, i+1))
		}
	}
	return "SELECT GROUPING(" + bits[0] + ") AS part, trust, " + strings.Join(keys, ", ") + ", COALESCE(" + strings.Join(bits, ", ") + ") AS bits,\n  " + strings.Join(counts, ",\n  ") +
		"\nFROM (SELECT us, trust, " + strings.Join(columns, ", ") + s.ifWeighed(", w") + " FROM src)\nGROUP BY GROUPING SETS (" + strings.Join(sets, ", ") + ")"
}

// reaching are the keys of a group that reach the floor of a counting in all the time together.
func reaching(cuts []int64, all []counting, grp int) string {
	var tests []string
	for _, where := range wheres(all, grp) {
		floor := int64(math.MaxInt64)
		for _, c := range all {
			if c.where == where {
				floor = min(floor, c.floor)
			}
		}
		tests = append(tests, fmt.Sprintf("%s >= %d", matching(where, "n", len(cuts)-1), floor))
	}
	return fmt.Sprintf("(\n  SELECT trust, k%[1]d FROM by_key WHERE k%[1]d <> '' GROUP BY ALL\n  HAVING %[2]s\n) USING (trust, k%[1]d)", grp, strings.Join(tests, "\n    OR "))
}

// wheres are those of a group's countings, each once.
func wheres(all []counting, grp int) []int {
	var out []int
	for _, c := range all {
		if c.grp == grp && !slices.Contains(out, c.where) {
			out = append(out, c.where)
		}
	}
	return out
}

// matching adds a column of by_key up over the requests that match a where.
func matching(where int, column string, cut int) string {
	return fmt.Sprintf("SUM(CASE WHEN bits & %d <> 0 THEN %s%d ELSE 0 END)::BIGINT", int64(1)<<where, column, cut)
}

// totals are everybody's requests, whatever they match.
func totals(cuts []int64) string {
	var sums []string
	for cut := range cuts[1:] {
		sums = append(sums, fmt.Sprintf("SUM(n%[1]d)::BIGINT AS n%[1]d", cut+1))
	}
	return "SELECT trust, " + strings.Join(sums, ", ") + "\nFROM by_key WHERE part = 0 GROUP BY ALL"
}

// slid ends in the step of the given name, which has a row for each counting, key
// and step whose window holds requests.
func (s *replayScan) slid(name string, cuts []int64, all []counting, from func(grp int) string) []cte {
	columns := []string{"n"}
	if s.weighed {
		columns = append(columns, "w")
	}
	var steps []cte
	var windows []string
	for grp, group := range groups {
		var sums []string
		for _, where := range wheres(all, grp) {
			for _, column := range columns {
				for cut := range cuts[1:] {
					sums = append(sums, fmt.Sprintf("%s AS %s%d_%d", matching(where, column, cut+1), column, where, cut+1))
				}
			}
		}
		if len(sums) == 0 {
			continue
		}
		of := name + "_" + string(group)
		steps = append(steps, cte{name: of, hint: keep, body: fmt.Sprintf("SELECT trust, k%[1]d AS k,\n  %[2]s\nFROM %[3]s\nWHERE k%[1]d <> '' GROUP BY ALL", grp, strings.Join(sums, ",\n  "), from(grp))})
		for _, c := range all {
			if c.grp == grp {
				windows = append(windows, fmt.Sprintf("SELECT %d AS counter, trust, k, UNNEST(range(%d)) AS step, %s%s\nFROM %s", c.id, s.r.Steps, s.inWindows(cuts, fmt.Sprintf("n%d_", c.where), c.width, "requests"),
					s.ifWeighed(", "+s.inWindows(cuts, fmt.Sprintf("w%d_", c.where), c.width, "weight")), of))
			}
		}
	}
	return append(steps, cte{name: name, hint: compute, body: "SELECT * FROM (\n" + indent(strings.Join(windows, "\nUNION ALL\n")) + "\n) WHERE requests > 0"})
}

// inWindows has an element for each step: what lies in its window, by the columns
// of what lies before a cut.
func (s *replayScan) inWindows(cuts []int64, column string, width int64, name string) string {
	in := make([]string, s.r.Steps)
	for step := range in {
		end := s.r.At(step).UnixMicro()
		upper, _ := slices.BinarySearch(cuts, end)
		in[step] = fmt.Sprintf("%s%d", column, upper)
		if lower, _ := slices.BinarySearch(cuts, end-width); lower > 0 {
			in[step] += fmt.Sprintf(" - %s%d", column, lower)
		}
	}
	return fmt.Sprintf("UNNEST([%s]) AS %s", strings.Join(in, ", "), name)
}
