package bigquery

import (
	"encoding/json"
	"fmt"
	"time"

	bq "cloud.google.com/go/bigquery"

	"edgewarden/internal/ledger"
)

// row is an event as a parameter carries it. Its fields are the columns of the
// table without stored, in their order.
type row struct {
	Version  int64     `bigquery:"version"`
	Run      string    `bigquery:"run"`
	Seq      int64     `bigquery:"seq"`
	Time     time.Time `bigquery:"time"`
	Actor    string    `bigquery:"actor"`
	Event    string    `bigquery:"event"`
	Outcome  string    `bigquery:"outcome"`
	Source   string    `bigquery:"source"`
	Target   string    `bigquery:"target"`
	PlanHash string    `bigquery:"plan_hash"`
	Detail   string    `bigquery:"detail"`
	Prev     string    `bigquery:"prev"`
	Hash     string    `bigquery:"hash"`
}

func rowsOf(events []ledger.Event) []row {
	rows := make([]row, len(events))
	for i, e := range events {
		rows[i] = row{
			Version: int64(e.Version), Run: e.Run, Seq: int64(e.Seq), Time: e.Time, Actor: e.Actor, Event: e.Event, Outcome: e.Outcome,
			Source: e.Source, Target: e.Target, PlanHash: e.PlanHash, Detail: detailText(e.Detail), Prev: e.Prev, Hash: e.Hash,
		}
	}
	return rows
}

// detailText is a detail as a JSON object, keys sorted; {} for none.
func detailText(detail map[string]string) string {
	if detail == nil {
		detail = map[string]string{}
	}
	b, err := json.Marshal(detail)
	if err != nil { // a map of texts always encodes
		panic("ledger/bigquery: bug: encoding detail: " + err.Error())
	}
	return string(b)
}

// eventOf reads a row of the table. It fails on one that was not written here.
func eventOf(values []bq.Value) (ledger.Event, error) {
	var e ledger.Event
	var version, seq int64
	var detail string
	dest := []any{&version, &e.Run, &seq, &e.Time, &e.Actor, &e.Event, &e.Outcome, &e.Source, &e.Target, &e.PlanHash, &detail, &e.Prev, &e.Hash}
	if len(values) != len(dest) {
		return e, fmt.Errorf("%d columns, not %d", len(values), len(dest))
	}
	for i, v := range values {
		if !assign(dest[i], v) {
			return e, fmt.Errorf("column %s: %T does not fit", columns[i].Name, v)
		}
	}
	if err := ledger.CheckVersion(int(version)); err != nil {
		return e, err
	}
	e.Version, e.Seq, e.Time = int(version), int(seq), e.Time.UTC()
	if err := json.Unmarshal([]byte(detail), &e.Detail); err != nil {
		return e, fmt.Errorf("column detail: %w", err)
	}
	if len(e.Detail) == 0 {
		e.Detail = nil
	}
	return e, nil
}

func assign(dest any, v bq.Value) bool {
	ok := false
	switch d := dest.(type) {
	case *int64:
		*d, ok = v.(int64)
	case *string:
		*d, ok = v.(string)
	case *time.Time:
		*d, ok = v.(time.Time)
	}
	return ok
}
