package detect

import (
	"fmt"
	"time"

	"edgewarden/internal/record"
)

// MaxSightings is the most rows of one request that are told.
const MaxSightings = 100

// Sighting is one row of a request that somebody asks about by its id. A shield logs a request again, and who may send lines at
// all, or chooses the ids where they come from a header, can claim any id: a request has more than one row, and they need not
// name the same address.
type Sighting struct {
	Key                       string // client_key; empty when the line has no address
	Us                        int64  // event time, unix microseconds
	Status                    int64
	Class                     int64 // of trust
	Refused, Shield, Received int64 // 1 when it was refused by our ACL, is a shield's line, says only when it was received
}

// At is when the request was made.
func (s Sighting) At() time.Time { return fromMicros(s.Us) }

// Trust says how far the row can be trusted.
func (s Sighting) Trust() Trust { return trustOf(s.Class) }

var sightingColumns = []string{"k", "us", "status", "trust", "refused", "shield", "received"}

// Lookup is the scan that appends to out every row of a request in [from, to), whatever its class of trust, refused or not,
// those that no rule may count included. What can be trusted most comes first, so that forged rows cannot hide the real one; of
// the like, what was refused, since where clients choose ids others may have the same, and then the newest.
func (q Query) Lookup(id string, from, to time.Time, out *[]Sighting) Scan {
	q.To = to
	return Scan{Name: "lookup", Query: q, From: from, Columns: sightingColumns,
		Compile: func(d Dialect, src Source) (Statement, error) { return q.lookupSQL(d, src, id, from) },
		Begin:   func() { *out = nil },
		Next: func() []any {
			*out = append(*out, Sighting{})
			return (&(*out)[len(*out)-1]).Dest()
		},
	}
}

// Dest returns where to scan a row's columns to, in order.
func (s *Sighting) Dest() []any {
	return []any{&s.Key, &s.Us, &s.Status, &s.Class, &s.Refused, &s.Shield, &s.Received}
}

// SightingColumns are the names of the columns of a lookup, in order.
func SightingColumns() []string { return sightingColumns }

func (q Query) lookupSQL(d Dialect, src Source, id string, from time.Time) (Statement, error) {
	if src.Column(record.RequestID) == "" {
		return Statement{}, ErrNoRequestID
	}
	s := &scan{builder: newBuilder(d), q: q, src: src, fields: []record.Field{record.RequestID, record.ClientKey, record.Status, record.Blocked,
		record.FirstHop, record.AddressSource, record.Sender, record.TimeSource}}
	one := func(condition string) string { return s.bigint("CASE WHEN " + condition + " THEN 1 ELSE 0 END") }
	last := fmt.Sprintf("SELECT %s AS k, us, f_status AS status, %s AS trust,\n  %s AS refused, %s AS shield, %s AS received\nFROM req\nWHERE %s = %s\n"+
		"ORDER BY trust, shield, received, refused DESC, us DESC, k, status\nLIMIT %d",
		f(record.ClientKey), s.bigint(s.trust()), one(f(record.Blocked)), one(shield), one(received), f(record.RequestID), s.named("request_id", id), MaxSightings)
	return Statement{SQL: with([]cte{s.reqBetween(from, q.To)}, last), Params: s.params}, nil
}
