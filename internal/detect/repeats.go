package detect

import (
	"errors"
	"fmt"
	"time"

	"edgewarden/internal/record"
)

// Repeats says how many rows of one minute repeat the request id of another: a shield logs each request again, and a row that
// does not say first_hop cannot tell which of the two it is. The zero Repeats is that of nobody having looked.
type Repeats struct {
	Minute   time.Time // when it begins
	Rows     int64     // counted rows that do not say first_hop and have a request id
	Repeated int64     // of those, all but one of each id
}

// ErrNoRequestID says that a store has no request ids to look at.
var ErrNoRequestID = errors.New("the store has no column request_id")

var repeatsColumns = []string{"ids", "repeated"}

// Repeats is the scan that fills out for the last whole minute before newest, the newest row of an answer. It is a statement of
// its own because request ids are the widest column that most tables have, and lines of our own format need no such look.
// Who chooses the ids, as clients do where X-Request-Id is logged, chooses the numbers: they are good for a warning only.
func (q Query) Repeats(newest time.Time, out *Repeats) Scan {
	q.To = newest.Truncate(time.Minute)
	from := q.To.Add(-time.Minute)
	return Scan{Name: "repeats", Query: q, From: from, Columns: repeatsColumns,
		Compile: func(d Dialect, src Source) (Statement, error) { return q.repeatsSQL(d, src, from) },
		Begin:   func() { *out = Repeats{Minute: from} },
		Next:    func() []any { return []any{&out.Rows, &out.Repeated} },
	}
}

func (q Query) repeatsSQL(d Dialect, src Source, from time.Time) (Statement, error) {
	if src.Column(record.RequestID) == "" {
		return Statement{}, ErrNoRequestID
	}
	s := &scan{builder: newBuilder(d), q: q, src: src, fields: []record.Field{record.RequestID, record.TimeSource}}
	id := f(record.RequestID)
	last := fmt.Sprintf("SELECT %s AS ids, %s AS repeated\nFROM req\nWHERE hop_unsaid AND %s <> '' AND NOT %s",
		s.bigint("COUNT(*)"), s.bigint("COUNT(*) - COUNT(DISTINCT "+id+")"), id, received)
	return Statement{SQL: with([]cte{s.reqBetween(from, q.To)}, last), Params: s.params}, nil
}
