package detect

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"edgewarden/internal/record"
)

// MaxEvidence is the most offenders an engine fetches evidence for.
const MaxEvidence = 200

// Kinds of evidence, as numbered in the statement.
const (
	aboutPath = iota
	aboutAgent
	aboutStatus
	aboutCountry
	aboutASN
	aboutSample
	aboutRate
	aboutClass // only when the set weighs requests
)

// evidenceKeep is how many values of each kind are kept.
var evidenceKeep = [...]int{aboutPath: 5, aboutAgent: 3, aboutStatus: 5, aboutCountry: 1, aboutASN: 1, aboutSample: 5, aboutRate: ratePoints, aboutClass: MaxClasses + 1}

// EvidenceRequests bounds the work on paths, agents and samples: those of an
// offender's newest minutes are looked at, as many as it takes to hold so many
// requests. Without a bound a flood with a path of its own in each request takes
// memory for all of them.
const EvidenceRequests = 10_000

// EvidenceKept is how many requests of one offender DuckDB may hold in memory to
// read them twice; those of a busier one are read from the source twice. An
// engine asks for no more offenders at once than have so many requests together.
const EvidenceKept = 200_000

// inFull are the kinds that are counted over all requests; they have few values.
func (s *scan) inFull() string {
	return fmt.Sprintf("about IN (%d, %d, %d, %d%s)", aboutStatus, aboutCountry, aboutASN, aboutRate, s.ifWeighed(fmt.Sprintf(", %d", aboutClass)))
}

// kinds are the kinds of evidence that are looked for.
func (s *scan) kinds() []string {
	var all []string
	for kind := range evidenceKeep {
		if kind != aboutClass || s.weighed {
			all = append(all, strconv.Itoa(kind))
		}
	}
	return all
}

// evidenceCut is how many characters of a text from the log are kept.
const evidenceCut = 256

// sampleDigits is the width of the time that leads a sample, in microseconds.
const sampleDigits = 20

// EvidenceRow is one row of an evidence statement, in the order of its columns;
// none is NULL.
type EvidenceRow struct {
	Rule, Trust int64
	Key         string
	About       int64  // which kind of evidence
	Value       string // cut
	N           int64
	Place       int64 // from 1, best first
}

// EvidenceColumns are the names of an evidence statement's columns, in order.
func EvidenceColumns() []string {
	return []string{"rule", "trust", "k", "about", "v", "n", "place"}
}

// Dest returns where to scan a row's columns to, in order.
func (r *EvidenceRow) Dest() []any {
	return []any{&r.Rule, &r.Trust, &r.Key, &r.About, &r.Value, &r.N, &r.Place}
}

// EvidenceSQL is the statement that fetches evidence of the first MaxEvidence
// offenders, in one scan. It counts the same rows as [Set.DetectSQL] did.
func (s *Set) EvidenceSQL(d Dialect, src Source, q Query, offenders []Offender) (Statement, error) {
	if err := q.validate(); err != nil {
		return Statement{}, err
	}
	keys, err := evidenceKeys(s, offenders)
	if err != nil {
		return Statement{}, err
	}
	more := []record.Field{record.Path, record.Method, record.UserAgent, record.ClientCountry, record.ClientASN}
	sc := newScan(d, src, q, append(s.weightFields(), more...)...)
	sc.weighed, sc.classed = s.Weighs(), true
	steps := sc.steps(sc.carried(more...)...)
	of := map[int64]bool{}
	for _, k := range keys {
		of[k.rule] = true
	}
	rules, kinds := "rules r", "kinds"
	if d == BigQuery {
		rules = "UNNEST([\n    " + sc.rulesList(of, func(id, grp string) string {
			return fmt.Sprintf("STRUCT(%s AS id, %s AS grp)", id, grp)
		}) + "\n  ]) r"
		kinds = "UNNEST([" + strings.Join(sc.kinds(), ", ") + "]) about"
	} else {
		steps = append(sc.onlyOf(keys, of, steps), cte{name: "kinds(about)", body: "VALUES (" + strings.Join(sc.kinds(), "), (") + ")"})
	}
	key := sc.key()
	steps = append(steps,
		cte{name: "hits", body: fmt.Sprintf("SELECT s.*, r.id AS rule, %s AS k\nFROM src s CROSS JOIN %s\n"+
			"WHERE (s.mask >> r.id) & 1 = 1 AND NOT s.f_blocked AND %s <> ''", key, rules, key)},
	)
	var most int64
	for _, o := range offenders[:min(len(offenders), MaxEvidence)] {
		most = max(most, o.Measures.Requests)
	}
	steps = sc.evidenceWanted(steps, keys, most)
	detail := ""
	if most > EvidenceRequests {
		detail = fmt.Sprintf("\nWHERE %s OR newer < %d", sc.inFull(), EvidenceRequests)
	}
	steps = append(steps,
		cte{name: "told", body: "SELECT rule, trust, k, about,\n  " + sc.evidenceValue() + " AS v\nFROM recent CROSS JOIN " + kinds + detail},
		cte{name: "counted", body: "SELECT rule, trust, k, about, v, COUNT(*) AS n\nFROM told\n" +
			fmt.Sprintf("WHERE NOT (about IN (%d, %d) AND v IN ('', '0'))\nGROUP BY rule, trust, k, about, v", aboutCountry, aboutASN)},
		cte{name: "placed", body: fmt.Sprintf("SELECT *, ROW_NUMBER() OVER (PARTITION BY rule, trust, k, about\n"+
			"  ORDER BY CASE WHEN about = %d THEN 0 ELSE n END DESC, CASE WHEN about = %d THEN v ELSE '' END DESC, v) AS place\nFROM counted", aboutSample, aboutSample)},
	)
	last := "SELECT " + strings.Join([]string{sc.bigint("rule") + " AS rule", sc.bigint("trust") + " AS trust", "k", sc.bigint("about") + " AS about", "v",
		sc.bigint("n") + " AS n", sc.bigint("place") + " AS place"}, ", ") + "\nFROM placed\nWHERE place <= CASE about"
	for kind, keep := range evidenceKeep[:len(sc.kinds())] {
		last += fmt.Sprintf(" WHEN %d THEN %d", kind, keep)
	}
	last += " ELSE 0 END\nORDER BY rule, trust, k, about, place"
	return Statement{SQL: with(steps, last), Params: sc.params}, nil
}

// onlyOf puts before the steps of src those that make DuckDB drop a request of
// nobody's early, before its mask is computed.
func (s *scan) onlyOf(keys []keyRef, of map[int64]bool, steps []cte) []cte {
	var which []Group
	for i, c := range s.q.Set.rules {
		if of[int64(i)] && !slices.Contains(which, c.Group) {
			which = append(which, c.Group)
		}
	}
	steps[1].body += "\nWHERE " + s.amongKeys("asked", "grp", which)
	return append([]cte{
		{name: "rules(id, grp)", body: "VALUES\n    " + s.rulesList(of, func(id, grp string) string { return "(" + id + ", " + grp + ")" })},
		{name: "asked", hint: keep, body: "SELECT DISTINCT r.grp AS grp, w.key AS key\nFROM " + s.keyTable("wanted", keys) + " w JOIN rules r ON r.id = w.rule"},
	}, steps...)
}

// evidenceWanted adds the steps from hits to recent: the offenders' requests,
// and when one of them has more than are looked at in detail, how many of its key
// lie in newer minutes than each. BigQuery reads each step once, so it ranks the
// rows. DuckDB reads them twice: from memory, or, when they are too many to
// hold, from the source.
func (s *scan) evidenceWanted(steps []cte, keys []keyRef, most int64) []cte {
	from := fmt.Sprintf("\nFROM hits h JOIN %s w\n  ON %s", s.keyTable("wanted", keys), s.sameKey("w", "h"))
	switch {
	case most <= EvidenceRequests:
		return append(steps, cte{name: "recent", body: "SELECT h.*" + from})
	case s.kind == BigQuery:
		return append(steps, cte{name: "recent", body: "SELECT h.*, RANK() OVER (PARTITION BY h.rule, h.trust, h.k ORDER BY h.minute) - 1 AS newer" + from})
	}
	hint := keep
	if most > EvidenceKept {
		hint = compute
		for i := range steps {
			steps[i].hint = compute
		}
	}
	return append(steps, []cte{
		{name: "wanted", hint: hint, body: "SELECT h.*" + from},
		{name: "minutes", body: "SELECT rule, trust, k, minute, SUM(n) OVER (PARTITION BY rule, trust, k ORDER BY minute) - n AS newer\n" +
			"FROM (SELECT rule, trust, k, minute, COUNT(*) AS n FROM wanted GROUP BY ALL)"},
		{name: "recent", hint: compute, body: "SELECT *\nFROM wanted JOIN minutes USING (rule, trust, k, minute)"},
	}...)
}

func evidenceKeys(s *Set, offenders []Offender) ([]keyRef, error) {
	if len(offenders) == 0 {
		return nil, errors.New("compiling evidence query: there are no offenders")
	}
	seen := map[keyRef]bool{}
	var keys []keyRef
	for _, o := range offenders[:min(len(offenders), MaxEvidence)] {
		i, ok := s.byName[o.Rule]
		if !ok {
			return nil, fmt.Errorf("compiling evidence query: offender %s is of rule %q, which is not in the set", o.Key, o.Rule)
		}
		k := keyRef{rule: int64(i), trust: o.Trust.code(), key: o.Key}
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (s *scan) evidenceValue() string {
	cut := func(x string) string { return fmt.Sprintf("LEFT(%s, %d)", x, evidenceCut) }
	text := func(x string) string { return "CAST(" + x + " AS " + s.str + ")" }
	return fmt.Sprintf("CASE about WHEN %d THEN %s WHEN %d THEN %s WHEN %d THEN %s WHEN %d THEN %s WHEN %d THEN %s WHEN %d THEN %s%s\n"+
		"    ELSE LPAD(%s, %d, '0') || ' ' || %s || ' ' || %s || ' ' || %s END",
		aboutPath, cut("f_path"), aboutAgent, cut("f_user_agent"), aboutStatus, text("f_status"),
		aboutCountry, cut("f_client_country"), aboutASN, text("f_client_asn"), aboutRate, text(s.ratePlace()),
		s.ifWeighed(fmt.Sprintf(" WHEN %d THEN %s", aboutClass, text("class"))),
		text("us"), sampleDigits, cut("f_method"), cut("f_path"), text("f_status"))
}

// AttachEvidence sets Evidence of the first MaxEvidence offenders from the rows of an
// evidence statement. An offender without rows gets empty evidence.
func AttachEvidence(q Query, offenders []Offender, rows []EvidenceRow) {
	of := map[keyRef]*Evidence{}
	for i := range offenders[:min(len(offenders), MaxEvidence)] {
		o := &offenders[i]
		id := keyRef{rule: int64(q.Set.byName[o.Rule]), trust: o.Trust.code(), key: o.Key}
		if of[id] == nil {
			of[id] = &Evidence{Rate: emptyRate(q.Set.rules[id.rule].Window)}
		}
		o.Evidence = of[id]
	}
	for _, r := range rows {
		e := of[keyRef{rule: r.Rule, trust: r.Trust, key: r.Key}]
		switch {
		case e == nil:
		case r.About != aboutClass:
			e.add(r)
		case q.Set.rules[r.Rule].uses(mWeight):
			place, _ := strconv.Atoi(r.Value) // digits, as for the ASN
			e.Classes = append(e.Classes, q.Set.classCount(place, r.N))
		}
	}
	for _, e := range of {
		slices.SortFunc(e.Classes, byWeight)
	}
}

func (e *Evidence) add(r EvidenceRow) {
	c := Count{Value: r.Value, N: r.N}
	switch r.About {
	case aboutPath:
		e.Paths = append(e.Paths, c)
	case aboutAgent:
		e.Agents = append(e.Agents, c)
	case aboutStatus:
		e.Statuses = append(e.Statuses, c)
	case aboutCountry:
		e.Country = r.Value
	case aboutASN:
		e.ASN, _ = strconv.ParseInt(r.Value, 10, 64) // digits: cast from a number in the statement
	case aboutSample:
		e.Sample = append(e.Sample, sampleText(r.Value))
	case aboutRate:
		e.Rate.put(r)
	}
}

// sampleText turns the microseconds that lead a sample into a time.
func sampleText(v string) string {
	if len(v) < sampleDigits {
		return v
	}
	us, err := strconv.ParseInt(strings.TrimLeft(v[:sampleDigits], "0"), 10, 64)
	if err != nil {
		return v
	}
	return fromMicros(us).Format("2006-01-02T15:04:05.000000Z") + v[sampleDigits:]
}
