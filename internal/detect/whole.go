package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/record"
)

// MaxWholes is of how many offenders an engine looks at the whole of what they asked for.
const MaxWholes = 5_000

// Whole is what an offender's key asked for in the rule's window, whatever the rule's where: whom a block would hit. An office
// that a scanner shares has few errors and many customers, and a rule that looks at errors sees none of them. It counts
// what Measures do: first-hop requests with a time of their own that were not refused, of the offender's trust.
type Whole struct {
	Requests    int64
	OK          int64 // status from 1 to 399
	OKAddresses int64 // distinct client_key with at least one OK request
	JA4s        int64 // distinct JA4 fingerprints (0 when the store has none)

	Unknown bool `json:",omitzero"` // it was to be asked for and there is no answer
}

// InAll is the Whole where [Query.Wholes] was asked. Elsewhere it is what the rule counted: all there is of a rule without a
// where, and of others the least it can be.
func (m Measures) InAll() Whole {
	if m.Whole.Requests > 0 {
		return m.Whole
	}
	return Whole{Requests: m.Requests, OK: m.OK, OKAddresses: m.OKAddresses, JA4s: m.JA4s, Unknown: m.Whole.Unknown}
}

// wholeRow is one row of the statement: a key in one window, in microseconds.
type wholeRow struct {
	group, trust int64
	key          string
	window       int64
	Whole
}

var wholeColumns = []string{"grp", "trust", "k", "window_us", "requests", "ok", "ok_addresses", "ja4s"}

// Wholes is the scan that tells the Whole of trusted offenders by rules with a where, and what sets it in them once the scan has
// been run: until then it is Unknown in them. Those whom first names are asked about first; left is how many are not
// asked about, and stay Unknown, since [MaxWholes] keys were. Of untrusted offenders, and of groups that are no addresses, nothing is
// asked, for nobody is blocked by those. Where there is nothing to ask, asks is false.
func (q Query) Wholes(offenders []Offender, first func(Offender) bool) (scan Scan, attach func(), left int, asks bool) {
	var order []int
	for i, o := range offenders {
		if rule, ok := q.Set.byName[o.Rule]; ok && o.Trust == (Trust{}) && q.Set.rules[rule].looksAtSome() {
			order = append(order, i)
			offenders[i].Measures.Whole = Whole{Unknown: true}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(first(offenders[a])), rank(first(offenders[b]))) })
	var refs []keyRef
	asked := map[keyRef][]int{}
	var window time.Duration
	for _, i := range order {
		o := offenders[i]
		c := q.Set.rules[q.Set.byName[o.Rule]]
		ref := wholeRef(groupIndex(c.Group), o.Trust.code(), o.Key, c.Window.Microseconds())
		if asked[ref] == nil {
			if len(refs) == MaxWholes {
				left++
				continue
			}
			refs = append(refs, ref)
			window = max(window, c.Window)
		}
		asked[ref] = append(asked[ref], i)
	}
	var rows []wholeRow
	scan = Scan{Name: "wholes", Query: q, From: q.To.Add(-window), Columns: wholeColumns,
		Compile: func(d Dialect, src Source) (Statement, error) { return q.wholesSQL(d, src, refs, window) },
		Begin:   func() { rows = rows[:0] },
		Next: func() []any {
			rows = append(rows, wholeRow{})
			r := &rows[len(rows)-1]
			return []any{&r.group, &r.trust, &r.key, &r.window, &r.Requests, &r.OK, &r.OKAddresses, &r.JA4s}
		},
	}
	attach = func() {
		for _, r := range rows {
			for _, i := range asked[wholeRef(int(r.group), r.trust, r.key, r.window)] {
				offenders[i].Measures.Whole = r.Whole
			}
		}
	}
	return scan, attach, left, len(refs) > 0
}

// rank puts what is true first.
func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// wholeRef names a key of a group in one window: keyTable's rule is the group.
func wholeRef(group int, trust int64, key string, window int64) keyRef {
	return keyRef{rule: int64(group), trust: trust, key: key, fromUs: window}
}

// looksAtSome reports whether a rule can block and does not look at all requests.
func (c compiled) looksAtSome() bool {
	return c.where != constant(true) && (c.Group == ByAddress || c.Group == ByPrefix)
}

// wholesSQL counts all requests of keys. It names no column of the rules' where.
func (q Query) wholesSQL(d Dialect, src Source, refs []keyRef, window time.Duration) (Statement, error) {
	if err := q.validate(); err != nil {
		return Statement{}, err
	}
	var which []Group
	for _, g := range []Group{ByAddress, ByPrefix} {
		if slices.ContainsFunc(refs, func(r keyRef) bool { return r.rule == int64(groupIndex(g)) }) {
			which = append(which, g)
		}
	}
	s := &scan{builder: newBuilder(d), q: q, src: src, fields: []record.Field{record.ClientKey, record.Status, record.JA4, record.FirstHop, record.Blocked, record.AddressSource, record.Sender, record.TimeSource}}
	if slices.Contains(which, ByPrefix) {
		s.fields = append(s.fields, record.ClientPrefix)
	}
	keys, ja4, only := s.keyTable("keys", refs), "NULLIF(f_ja4, '')", ""
	var steps []cte
	if d == DuckDB {
		// A row of nobody's is dropped early. Fingerprints are told apart by their MD5, as in candidates.
		steps = append(steps, cte{name: "keys", hint: keep, body: "SELECT * FROM " + keys})
		keys, ja4, only = "keys", "CASE WHEN f_ja4 <> '' THEN md5_number(f_ja4) END", "\n  AND "+s.amongKeys("keys", "rule", which)
	}
	steps = append(steps, s.reqBetween(q.To.Add(-window), q.To),
		cte{name: "src", body: "SELECT us, " + s.trust() + " AS trust, " + strings.Join(s.keysOf(which), ", ") + ", NULLIF(f_client_key, '') AS address, " + ja4 + " AS ja4, " + okStatus + " AS fine\nFROM req\nWHERE " + base + " AND NOT f_blocked" + only})
	if d == BigQuery {
		var structs []string
		for _, g := range which {
			structs = append(structs, fmt.Sprintf("STRUCT(%d AS grp)", groupIndex(g)))
		}
		steps = append(steps, cte{name: "hits", body: "SELECT g.grp AS rule, trust, " + s.keyOfGroup(which) + " AS k, us, address, ja4, fine\nFROM src CROSS JOIN UNNEST([" + strings.Join(structs, ", ") + "]) g"})
	} else {
		var parts []string
		for _, g := range which {
			parts = append(parts, fmt.Sprintf("SELECT %d AS rule, trust, %s AS k, us, address, ja4, fine\nFROM src", groupIndex(g), s.keyOf(g)))
		}
		steps = append(steps, cte{name: "hits", body: strings.Join(parts, "\nUNION ALL\n")})
	}
	last := "SELECT " + s.bigint("h.rule") + " AS grp, " + s.bigint("h.trust") + " AS trust, h.k AS k, " + s.bigint("q.from_us") + " AS window_us, COUNT(*) AS requests, " + countIf("fine") + " AS ok,\n" +
		"  COUNT(DISTINCT CASE WHEN fine THEN address END) AS ok_addresses, COUNT(DISTINCT ja4) AS ja4s\n" +
		"FROM hits h JOIN " + keys + " q\n  ON " + s.sameKey("q", "h") + " AND us >= " + s.named("to_us", q.To.UnixMicro()) + " - q.from_us\n" +
		"GROUP BY 1, 2, 3, 4\nORDER BY grp, trust, k, window_us"
	return Statement{SQL: with(steps, last), Params: s.params}, nil
}

// keysOf are the columns of the keys of groups.
func (s *scan) keysOf(which []Group) []string {
	names := make([]string, len(which))
	for i, g := range which {
		names[i] = f(keyField(g))
	}
	return names
}
