package detect

import (
	"time"

	"edgewarden/internal/record"
)

// HourRow is an hour in which there are rows that count, refused or not.
type HourRow struct {
	FirstUs, LastUs int64 // the oldest and the newest of them
	Rows            int64
}

var hoursColumns = []string{"first_us", "last_us", "n"}

// Hours is the scan that appends to out the hours from from on, up to the query's To, of which there is anything: how much of
// the past that is asked about the store covers. It reads the narrow columns alone.
func (q Query) Hours(from time.Time, out *[]HourRow) Scan {
	return Scan{Name: "hours", Query: q, From: from, Columns: hoursColumns,
		Compile: func(d Dialect, src Source) (Statement, error) { return q.hoursSQL(d, src, from), nil },
		Begin:   func() { *out = nil },
		Next: func() []any {
			*out = append(*out, HourRow{})
			r := &(*out)[len(*out)-1]
			return []any{&r.FirstUs, &r.LastUs, &r.Rows}
		},
	}
}

func (q Query) hoursSQL(d Dialect, src Source, from time.Time) Statement {
	s := &scan{builder: newBuilder(d), q: q, src: src, fields: []record.Field{record.FirstHop, record.TimeSource}}
	last := "SELECT " + s.bigint("MIN(us)") + " AS first_us, " + s.bigint("MAX(us)") + " AS last_us, " + s.bigint("COUNT(*)") + " AS n\n" +
		"FROM req\nWHERE " + base + "\nGROUP BY " + s.div("us", "3600000000") + "\nORDER BY first_us"
	return Statement{SQL: with([]cte{s.reqBetween(from, q.To)}, last), Params: s.params}
}
