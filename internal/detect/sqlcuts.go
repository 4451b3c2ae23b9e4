package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// candidatesCut is DuckDB's shape. The moments at which the window of a step
// begins or ends cut the time into pieces. A key has a row with a column for each
// cut, its requests before it, and what lies in a window is the difference of two
// columns: however many windows hold a request, it makes no row of its own in any.
//
// Rules that look at a key by itself are asked only of keys that reach their floor
// in all the time together, those that compare it with everybody of all.
func (s *replayScan) candidatesCut(steps []cte) Statement {
	only := func(populated bool, pick func(compiled) cond) string {
		return s.perRule("r.id", s.whenColumn, func(c compiled) cond {
			if c.populated() != populated {
				return constant(false)
			}
			return pick(c)
		})
	}
	cuts := s.r.cuts()
	steps = append(steps,
		cte{name: "rules(id, grp, counter)", body: "VALUES\n    " + s.rulesTable()},
		cte{name: "by_key", hint: keep, body: s.countsByKey(cuts)},
		cte{name: "totals", body: totals(cuts)})
	steps = append(steps, s.sums(cuts)...)
	selects := []string{"SELECT step, -1 AS rule, trust, '' AS k, requests, 0e0 AS share, 0e0 AS score\n" +
		fmt.Sprintf("FROM (SELECT trust, UNNEST(range(%d)) AS step, %s\n  FROM totals) WHERE requests > 0", s.r.Steps, s.inWindows(cuts, "n", s.r.Step, "requests"))}
	if alone := s.countings(false); len(alone) > 0 {
		steps = append(steps, s.windows("alone", cuts, alone))
		selects = append(selects, "SELECT step, r.id AS rule, trust, k, requests, 0e0 AS share, 0e0 AS score\nFROM alone JOIN rules r USING (counter)\nWHERE "+only(false, earlyPart))
	}
	if crowd := s.countings(true); len(crowd) > 0 {
		tallied := func(m measure) bool { return knownEarly(m) && (m != mWeight || !s.weighed) }
		steps = append(steps, s.windows("everybody", cuts, crowd),
			cte{name: "tally", body: "SELECT counter, trust, step, requests, COUNT(*) AS members\nFROM everybody GROUP BY ALL"})
		steps = append(steps, s.scoringBy("counter, trust, step", "")...)
		steps = append(steps, cte{name: "near", body: "SELECT r.id AS id, counter, trust, step, requests, share, score\nFROM scored JOIN rules r USING (counter)\nWHERE " +
			only(true, func(c compiled) cond { return weaken(c.judged(false), c.heaviest(), tallied) })})
		selects = append(selects, "SELECT step, r.id AS rule, trust, k, requests, share, score\nFROM everybody JOIN near r USING (counter, trust, step, requests)"+
			s.ifWeighed("\nWHERE "+only(true, earlyPart)))
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
	id, where int // the first rule that counts the same, and the first with the same where, whose bit stands for it
	window    time.Duration
	floor     int64 // the least of the rules' floors; 0 for rules that compare a key with everybody
}

// countings are those of the rules that compare a key with everybody, or of the others.
func (s *replayScan) countings(populated bool) []counting {
	var out []counting
	for i, c := range s.q.Set.rules {
		if c.populated() != populated {
			continue
		}
		floor := c.floor()
		if populated {
			floor = 0
		}
		id := s.q.Set.counter(i)
		if at := slices.IndexFunc(out, func(n counting) bool { return n.id == id }); at >= 0 {
			out[at].floor = min(out[at].floor, floor)
			continue
		}
		out = append(out, counting{id, slices.IndexFunc(s.q.Set.rules, c.matchesLike), c.Window, floor})
	}
	return out
}

// countsByKey counts the requests before each cut but the first, by key and by the
// bits of the rules they match, while src is read once. An address tells its prefix
// and its network, so these are counted as one key; a fingerprint is chosen by the
// client, so it has rows of its own. Each part has every request, those that match
// nothing in one row.
func (s *replayScan) countsByKey(cuts []int64) string {
	var columns, keys, bits, sets, counts []string
	groupBits := s.groupBits()
	for _, together := range [][]Group{{ByAddress, ByPrefix, ByASN}, {ByJA4}} {
		var mask int64
		for _, group := range together {
			mask |= groupBits[groupIndex(group)]
		}
		if mask == 0 {
			continue
		}
		bit := fmt.Sprintf("bits%d", len(sets))
		var own []string
		for _, group := range together {
			g := groupIndex(group)
			if groupBits[g] == 0 {
				continue
			}
			key := s.keyOf(group)
			if s.always()&mask == 0 {
				key = fmt.Sprintf("CASE WHEN mask & %s <> 0 THEN %s ELSE '' END", s.bigint(fmt.Sprint(mask)), key)
			}
			own = append(own, fmt.Sprintf("k%d", g))
			columns = append(columns, fmt.Sprintf("%s AS k%d", key, g))
		}
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

// totals are everybody's requests, whatever they match: part 0 has them all.
func totals(cuts []int64) string {
	var sums []string
	for cut := range cuts[1:] {
		sums = append(sums, fmt.Sprintf("SUM(n%[1]d)::BIGINT AS n%[1]d", cut+1))
	}
	return "SELECT trust, " + strings.Join(sums, ", ") + "\nFROM by_key WHERE part = 0 GROUP BY ALL"
}

// sums adds by_key up over the requests that match a where: a step for each where,
// with the keys that match it. Where rules only look at a key by itself, it has only
// keys that reach a floor, which are found for all the wheres of a group at once.
func (s *replayScan) sums(cuts []int64) []cte {
	floors := map[int]int64{} // by where
	for _, c := range slices.Concat(s.countings(false), s.countings(true)) {
		if floor, ok := floors[c.where]; !ok || c.floor < floor {
			floors[c.where] = c.floor
		}
	}
	var columns []string
	for i := range cuts[1:] {
		columns = append(columns, fmt.Sprintf("SUM(n%[1]d)::BIGINT AS n%[1]d", i+1)+s.ifWeighed(fmt.Sprintf(", SUM(w%[1]d)::BIGINT AS w%[1]d", i+1)))
	}
	reach := map[int][]string{} // by group
	var sums []cte
	for _, where := range slices.Sorted(maps.Keys(floors)) {
		g := groupIndex(s.q.Set.rules[where].Group)
		matches := fmt.Sprintf("bits & %s <> 0", s.bigint(fmt.Sprint(int64(1)<<where)))
		from := "by_key"
		if floors[where] > 0 {
			reach[g] = append(reach[g], fmt.Sprintf("SUM(CASE WHEN %s THEN n%d ELSE 0 END) >= %d", matches, len(cuts)-1, floors[where]))
			from += fmt.Sprintf(" SEMI JOIN reaching_%s USING (trust, k%d)", groups[g], g)
		}
		sums = append(sums, cte{name: fmt.Sprintf("matching_%d", where), hint: keep, body: fmt.Sprintf("SELECT trust, k%[1]d AS k,\n  %[2]s\nFROM %[3]s\nWHERE %[4]s AND k%[1]d <> '' GROUP BY ALL",
			g, strings.Join(columns, ", "), from, matches)})
	}
	var steps []cte
	for _, g := range slices.Sorted(maps.Keys(reach)) {
		steps = append(steps, cte{name: "reaching_" + string(groups[g]), hint: keep, body: fmt.Sprintf("SELECT trust, k%[1]d\nFROM by_key WHERE k%[1]d <> '' GROUP BY ALL\nHAVING %[2]s", g, strings.Join(reach[g], "\n  OR "))})
	}
	return append(steps, sums...)
}

// windows has a row for each counting, key and step whose window holds requests.
func (s *replayScan) windows(name string, cuts []int64, all []counting) cte {
	var selects []string
	for _, c := range all {
		reach := ""
		if c.floor > 1 {
			reach = fmt.Sprintf(" WHERE n%d >= %d", len(cuts)-1, c.floor)
		}
		selects = append(selects, fmt.Sprintf("SELECT %d AS counter, trust, k, UNNEST(range(%d)) AS step, %s%s\nFROM matching_%d%s", c.id, s.r.Steps,
			s.inWindows(cuts, "n", c.window, "requests"), s.ifWeighed(", "+s.inWindows(cuts, "w", c.window, "weight")), c.where, reach))
	}
	return cte{name: name, hint: compute, body: "SELECT * FROM (\n" + indent(strings.Join(selects, "\nUNION ALL\n")) + "\n) WHERE requests > 0"}
}

// inWindows has an element for each step: what lies in its window, by the columns
// of what lies before a cut.
func (s *replayScan) inWindows(cuts []int64, column string, window time.Duration, name string) string {
	in := make([]string, s.r.Steps)
	for step := range in {
		end := s.r.At(step)
		upper, _ := slices.BinarySearch(cuts, end.UnixMicro())
		in[step] = fmt.Sprintf("%s%d", column, upper)
		if lower, _ := slices.BinarySearch(cuts, end.Add(-window).UnixMicro()); lower > 0 {
			in[step] += fmt.Sprintf(" - %s%d", column, lower)
		}
	}
	return fmt.Sprintf("UNNEST([%s]) AS %s", strings.Join(in, ", "), name)
}
