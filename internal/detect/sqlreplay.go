package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/record"
)

// replayScan writes the statements of a replay. Times are slots, counted from
// the replay's From; a step is a number, and its window is whole slots.
type replayScan struct {
	*scan
	r    Replay
	slot time.Duration
}

func newReplayScan(d Dialect, src Source, r Replay, slot time.Duration, more ...record.Field) *replayScan {
	return &replayScan{scan: newScan(d, src, r.query(), more...), r: r, slot: slot}
}

// steps are req, of rows a rule may count, and src: the slot, the trust class and
// a bit for each rule whose where holds. Windows are the steps' business.
func (s *replayScan) steps(only string, carry ...record.Field) []cte {
	columns := []string{"us", s.div("us - "+s.named("from_us", s.r.From().UnixMicro()), fmt.Sprint(s.slot.Microseconds())) + " AS slot", s.trust() + " AS trust"}
	for _, field := range s.carried(carry...) {
		columns = append(columns, f(field))
	}
	if only != "" {
		only = "\n  AND " + only
	}
	return []cte{
		s.reqBetween(s.r.From(), s.r.Last()),
		{name: "src", body: "SELECT " + strings.Join(columns, ", ") + ",\n  " + s.whereMask() + " AS mask\nFROM req\nWHERE " + base + only},
	}
}

// whereMask has a bit for each rule whose where holds.
func (s *replayScan) whereMask() string {
	always := int64(0)
	var bits []string
	for i, c := range s.q.Set.rules {
		if c.where == constant(true) {
			always |= 1 << i
			continue
		}
		bits = append(bits, fmt.Sprintf("CASE WHEN %s THEN %s ELSE 0 END", s.sql(c.where, whereColumn), s.bigint(fmt.Sprint(int64(1)<<i))))
	}
	return strings.Join(append([]string{s.bigint(fmt.Sprint(always))}, bits...), "\n    + ")
}

// ends is the slot after the last of the first step's windows, stride how many
// slots lie between two steps.
func (s *replayScan) ends() int64   { return s.r.slots(s.r.First, s.slot) }
func (s *replayScan) stride() int64 { return int64(s.r.Step / s.slot) }

// stepsOf are the first and the last step whose window of width slots holds a
// slot; there is none when the first is greater.
func (s *replayScan) stepsOf(slot, width string) (first, last string) {
	first = fmt.Sprintf("CASE WHEN %s < %d THEN 0 ELSE %s END", slot, s.ends(), s.div(fmt.Sprintf("%s - %d", slot, s.ends()-s.stride()), fmt.Sprint(s.stride())))
	after := fmt.Sprintf("%s + %s", slot, width)
	last = fmt.Sprintf("CASE WHEN %s < %d THEN -1 WHEN %s > %d THEN %d ELSE %s END", after, s.ends(), after, s.ends()+int64(s.r.Steps-1)*s.stride(), s.r.Steps-1,
		s.div(fmt.Sprintf("%s - %d", after, s.ends()), fmt.Sprint(s.stride())))
	return first, last
}

// populated reports whether a rule's when compares a key with everybody.
func (c compiled) populated() bool { return c.uses(mShare) || c.uses(mScore) }

// uses reports whether a rule's when names the measure.
func (c compiled) uses(m measure) bool {
	used := map[int]bool{}
	names(c.when, used)
	return used[int(m)]
}

// replayRules is the constant table of rules: id, group, width of the window in
// slots, and the rule whose population it shares, -1 for one that asks for none.
func (s *replayScan) replayRules(row func(id, grp, width, pop int64) string) string {
	var rows []string
	for i, c := range s.q.Set.rules {
		rows = append(rows, row(int64(i), int64(groupIndex(c.Group)), int64(c.Window/s.slot), s.population(i)))
	}
	return strings.Join(rows, ",\n    ")
}

// population is the first rule that counts the same requests as rule i does, in
// the same way: their population is computed once.
func (s *replayScan) population(i int) int64 {
	rules := s.q.Set.rules
	if !rules[i].populated() {
		return -1
	}
	return int64(slices.IndexFunc(rules, func(c compiled) bool {
		return c.populated() && strings.TrimSpace(c.Where) == strings.TrimSpace(rules[i].Where) && c.Window == rules[i].Window && c.Group == rules[i].Group
	}))
}

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
	s := newReplayScan(d, src, r, r.grain())
	keys := strings.Join(s.keyColumns(), ", ")
	steps := append(s.steps("NOT f_blocked"),
		cte{name: "counted", body: "SELECT slot, trust, " + keys + ", mask, COUNT(*) AS n\nFROM src\nGROUP BY slot, trust, " + keys + ", mask"})
	if d == BigQuery {
		return s.candidatesChain(steps), nil
	}
	steps[len(steps)-1].hint = keep
	return s.candidatesSlid(steps), nil
}

func knownEarly(m measure) bool { return m == mRequests || m == mShare || m == mScore }

func earlyPart(c compiled) cond { return weaken(c.judged(false), knownEarly) }

// candidatesChain is BigQuery's shape, each step read once.
func (s *replayScan) candidatesChain(steps []cte) Statement {
	rules := s.replayRules(func(id, grp, width, _ int64) string {
		return fmt.Sprintf("STRUCT(%d AS id, %d AS bit, %d AS grp, %d AS width)", id, id, grp, width)
	}) + fmt.Sprintf(",\n    STRUCT(-1 AS id, 0 AS bit, 0 AS grp, %d AS width)", s.stride()) // of everything, for the totals
	first, last := s.stepsOf("slot", "width")
	key := s.key()
	steps = append(steps,
		cte{name: "hits", body: fmt.Sprintf("SELECT r.id AS rule, r.width AS width, trust, CASE WHEN r.id < 0 THEN '' ELSE %s END AS k, slot, n\nFROM counted CROSS JOIN UNNEST([\n    %s\n  ]) r\n"+
			"WHERE r.id < 0 OR ((mask >> r.bit) & 1 = 1 AND %s <> '')", key, rules, key)},
		cte{name: "slid", body: fmt.Sprintf("SELECT rule, trust, k, step, n\nFROM hits CROSS JOIN UNNEST(GENERATE_ARRAY(%s,\n    %s)) step", first, last)},
		cte{name: "per_key", body: "SELECT rule, trust, step, k, SUM(n) AS requests\nFROM slid GROUP BY rule, trust, step, k"},
		cte{name: "tally", body: "SELECT rule, trust, step, requests, COUNT(*) AS members,\n  ARRAY_AGG(CASE WHEN rule < 0 OR " +
			s.perRule("rule", whenColumn, func(c compiled) cond {
				return weaken(c.judged(false), func(m measure) bool { return m == mRequests })
			}) +
			"\n    THEN k END IGNORE NULLS) AS riders\nFROM per_key GROUP BY rule, trust, step, requests"})
	steps = append(steps, s.scoringBy("rule, trust, step", "")...)
	steps = append(steps, cte{name: "unpacked", body: "SELECT rule, trust, step, k, requests, share, score\nFROM scored t CROSS JOIN UNNEST(IFNULL(t.riders, [])) k"})
	return Statement{SQL: with(steps, "SELECT step, rule, trust, k, requests, share, score\nFROM unpacked\nWHERE rule < 0 OR "+
		s.perRule("rule", whenColumn, earlyPart)+"\nORDER BY step, rule, trust, k"), Params: s.params}
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
			return fmt.Sprintf("SELECT %d AS grp, trust, %s AS k, slot, mask & %s AS bits, SUM(n)::BIGINT AS n\nFROM counted\n"+
				"WHERE mask & %s <> 0 AND %s <> ''\nGROUP BY ALL", grp, key, bits, bits, key)
		})})
	var slots []string
	if plain := s.aliveBits(); plain != "" {
		steps = append(steps, cte{name: "alive", hint: keep, body: "SELECT * FROM (SELECT grp, trust, k, " + plain + " AS alive\nFROM by_key GROUP BY grp, trust, k) WHERE alive <> 0"})
		slots = append(slots, "SELECT r.id AS rule, r.width AS width, b.trust, b.k, b.slot, b.n\nFROM by_key b JOIN alive a USING (grp, trust, k)\n"+
			"  JOIN rules r ON r.grp = b.grp AND ((b.bits & a.alive) >> r.id) & 1 = 1")
	}
	populated := slices.ContainsFunc(s.q.Set.rules, compiled.populated)
	if populated {
		slots = append(slots, "SELECT r.id AS rule, r.width AS width, b.trust, b.k, b.slot, b.n\nFROM by_key b JOIN rules r ON r.grp = b.grp AND r.pop = r.id AND (b.bits >> r.id) & 1 = 1")
	}
	first, last := s.stepsOf("slot", "width")
	steps = append(steps,
		cte{name: "slots", body: strings.Join(slots, "\nUNION ALL\n")},
		cte{name: "slid", body: fmt.Sprintf("SELECT rule, trust, k, UNNEST(range(%s,\n    1 + %s)) AS step, n\nFROM slots", first, last)},
		cte{name: "per_key", hint: keep, body: "SELECT rule, trust, step, k, SUM(n)::BIGINT AS requests\nFROM slid GROUP BY ALL"})
	selects := []string{"SELECT step, c.rule AS rule, trust, k, requests, 0e0 AS share, 0e0 AS score\nFROM per_key c JOIN rules r ON r.id = c.rule AND r.pop < 0\nWHERE " +
		s.perRule("c.rule", s.plainColumn, earlyPart)}
	if populated {
		steps = append(steps, cte{name: "tally", body: "SELECT c.rule AS rule, trust, step, requests, COUNT(*) AS members\nFROM per_key c JOIN rules r ON r.pop = c.rule AND r.id = c.rule\nGROUP BY ALL"})
		steps = append(steps, s.scoringBy("rule, trust, step", "")...)
		selects = append(selects, "SELECT step, r.id AS rule, trust, k, requests, share, score\n"+
			"FROM (SELECT * FROM per_key JOIN scored USING (rule, trust, step, requests)) c JOIN rules r ON r.pop = c.rule\nWHERE "+
			s.perRule("r.id", whenColumn, earlyPart))
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
	return whenColumn(n)
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

// amongKeys is the condition of a row one of whose keys is in a table of keys. kind
// gives the group of an entry, as a number.
func (s *replayScan) amongKeys(table, kind string, which []Group) string {
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

// seriesSQL adds up by slot what keys did.
func (r Replay) seriesSQL(d Dialect, src Source, keys []Keyed) (Statement, error) {
	s := newReplayScan(d, src, r, r.Slot(), record.Cache, record.ClientKey, record.ClientPrefix)
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
	const columns = "trust, slot, us, f_status, f_blocked, f_cache"
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
			parts = append(parts, fmt.Sprintf("SELECT q.from_us AS kid, mask & %d AS bits, %s\nFROM src s JOIN keys q ON q.key = %s AND q.rule = %d", s.groupBits(g), columns, s.keyOf(g), groupIndex(g)))
		}
		steps = append(steps, cte{name: "hits", body: strings.Join(parts, "\nUNION ALL\n")})
	}
	const passed = "NOT f_blocked"
	last := "SELECT " + s.bigint("kid") + " AS kid, " + s.bigint("trust") + " AS trust, " + s.bigint("bits") + " AS bits, " + s.bigint("slot") + " AS slot,\n  " +
		strings.Join([]string{
			countIf(passed) + " AS n", countIf(passed+" AND "+okStatus) + " AS ok", countIf(passed+" AND "+failedStatus) + " AS errors",
			countIf(passed+" AND "+okStatus+" AND STARTS_WITH(f_cache, 'HIT')") + " AS cached",
			"COALESCE(MIN(CASE WHEN " + passed + " THEN us END), 0) AS first_us", "COALESCE(MAX(CASE WHEN " + passed + " THEN us END), 0) AS last_us",
			countIf("f_blocked") + " AS refused", "MAX(us) AS last_all_us"}, ",\n  ") +
		"\nFROM hits GROUP BY 1, 2, 3, 4\nORDER BY kid, slot, trust, bits"
	return Statement{SQL: with(steps, last), Params: s.params}, nil
}

// groupBits are the bits of a group's rules.
func (s *replayScan) groupBits(g Group) int64 {
	var bits int64
	for i, c := range s.q.Set.rules {
		if c.Group == g {
			bits |= 1 << i
		}
	}
	return bits
}

func (s *replayScan) groupStructs(which []Group) string {
	var rows []string
	for _, g := range which {
		rows = append(rows, fmt.Sprintf("STRUCT(%d AS grp, %d AS bits)", groupIndex(g), s.groupBits(g)))
	}
	return strings.Join(rows, ", ")
}

// keyOfGroup is the key of a row of src under the group joined as g.
func (s *replayScan) keyOfGroup(which []Group) string {
	var b strings.Builder
	b.WriteString("CASE g.grp")
	for _, g := range which {
		fmt.Fprintf(&b, " WHEN %d THEN %s", groupIndex(g), s.keyOf(g))
	}
	b.WriteString(" ELSE '' END")
	return b.String()
}

// distinctSQL counts different values in the windows of candidates.
func (r Replay) distinctSQL(d Dialect, src Source, wants []want) (Statement, error) {
	s := newReplayScan(d, src, r, r.grain(), record.Path, record.JA4, record.ClientKey)
	refs := make([]keyRef, len(wants))
	for i, w := range wants {
		refs[i] = keyRef{rule: w.rule, trust: w.trust, key: w.key, fromUs: w.step*8 + w.kinds}
	}
	var which []Group
	for _, g := range groups {
		if slices.ContainsFunc(wants, func(w want) bool { return s.q.Set.rules[w.rule].Group == g }) {
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
		rules = "UNNEST([\n    " + s.replayRules(func(id, grp, width, _ int64) string {
			return fmt.Sprintf("STRUCT(%d AS id, %d AS grp, %d AS width)", id, grp, width)
		}) + "\n  ]) r"
	} else {
		path = "md5_number(f_path)"
		table := cte{name: "rules(id, grp, width, pop)", hint: keep, body: "VALUES\n    " + s.replayRules(func(id, grp, width, pop int64) string {
			return fmt.Sprintf("(%d, %d, %d, %d)", id, grp, width, pop)
		})}
		steps = append([]cte{table, {name: "wants", hint: keep, body: "SELECT w.*, r.grp AS grp FROM " + wanted + " w JOIN rules r ON r.id = w.rule"}},
			s.steps("NOT f_blocked AND "+s.amongKeys("wants", "grp", which), carry...)...)
		wanted = "wants"
	}
	key := s.key()
	steps = append(steps,
		cte{name: "hits", body: fmt.Sprintf("SELECT r.id AS rule, r.width AS width, trust, %s AS k, slot, %s AS path, f_client_key AS address, f_ja4 AS ja4, %s AS fine\nFROM src CROSS JOIN %s\n"+
			"WHERE (mask >> r.id) & 1 = 1 AND %s <> ''", key, path, okStatus, rules, key)},
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
