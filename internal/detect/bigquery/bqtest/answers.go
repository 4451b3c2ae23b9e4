package bqtest

import (
	"time"

	"edgewarden/internal/detect"
)

// DetectAnswer is the answer to a detect statement of a set that weighs no requests: one row for each offender,
// present key and rule's population, and the health row (Rule -1).
func DetectAnswer(rows ...detect.Row) Answer { return DetectAnswerOf(nil, rows...) }

// DetectAnswerOf is DetectAnswer for any set.
func DetectAnswerOf(set *detect.Set, rows ...detect.Row) Answer {
	a := Answer{}
	for i := range rows {
		a.Rows = append(a.Rows, values(set.Dest(&rows[i])))
	}
	a.Columns = columns(set.Columns(), set.Dest(new(detect.Row)))
	return a
}

// EvidenceAnswer is the answer to an evidence statement.
func EvidenceAnswer(rows ...detect.EvidenceRow) Answer {
	a := Answer{}
	for i := range rows {
		a.Rows = append(a.Rows, values(rows[i].Dest()))
	}
	a.Columns = columns(detect.EvidenceColumns(), new(detect.EvidenceRow).Dest())
	return a
}

// FloodAnswer is the answer to a flood statement.
func FloodAnswer(rows ...detect.FloodRow) Answer {
	a := Answer{}
	for i := range rows {
		a.Rows = append(a.Rows, values(rows[i].Dest()))
	}
	a.Columns = columns(detect.FloodColumns(), new(detect.FloodRow).Dest())
	return a
}

// RepeatsAnswer is the answer to a statement of [detect.Query.Repeats].
func RepeatsAnswer(rows, repeated int64) Answer {
	return Answer{Columns: columns([]string{"ids", "repeated"}, []any{&rows, &repeated}), Rows: [][]any{{rows, repeated}}}
}

// WholesAnswer is the answer to a statement of [detect.Query.Wholes]: what an address asked for in a window of so long.
func WholesAnswer(address string, window time.Duration, all detect.Whole) Answer {
	us := window.Microseconds()
	row := []any{int64(0), int64(0), address, us, all.Requests, all.OK, all.OKAddresses, all.JA4s}
	n := new(int64)
	return Answer{Columns: columns([]string{"grp", "trust", "k", "window_us", "requests", "ok", "ok_addresses", "ja4s"}, []any{n, n, &address, n, n, n, n, n}), Rows: [][]any{row}}
}

// LookupAnswer is the answer to a statement of [detect.Query.Lookup].
func LookupAnswer(rows ...detect.Sighting) Answer {
	a := Answer{Columns: columns(detect.SightingColumns(), new(detect.Sighting).Dest())}
	for i := range rows {
		a.Rows = append(a.Rows, values(rows[i].Dest()))
	}
	return a
}

// columns takes the types from where a row's values are scanned to.
func columns(names []string, dest []any) []Column {
	out := make([]Column, len(names))
	for i, d := range dest {
		out[i] = Column{Name: names[i], Type: "INTEGER"}
		switch d.(type) {
		case *string:
			out[i].Type = "STRING"
		case *float64:
			out[i].Type = "FLOAT"
		}
	}
	return out
}

func values(dest []any) []any {
	out := make([]any, len(dest))
	for i, d := range dest {
		switch d := d.(type) {
		case *int64:
			out[i] = *d
		case *float64:
			out[i] = *d
		case *string:
			out[i] = *d
		}
	}
	return out
}

// HoursAnswer is the answer to a statement of [detect.Query.Hours].
func HoursAnswer(rows ...detect.HourRow) Answer {
	var r detect.HourRow
	a := Answer{Columns: columns([]string{"first_us", "last_us", "n"}, []any{&r.FirstUs, &r.LastUs, &r.Rows})}
	for _, r := range rows {
		a.Rows = append(a.Rows, []any{r.FirstUs, r.LastUs, r.Rows})
	}
	return a
}

// SamplesAnswer is the answer to a statement of [detect.Survey.Samples].
func SamplesAnswer(rows ...detect.SampleRow) Answer {
	var r detect.SampleRow
	a := Answer{Columns: columns([]string{"probe", "trust", "value", "k", "samples", "requests", "ok"}, []any{&r.Probe, &r.Trust, &r.Value, &r.Key, &r.Samples, &r.Requests, &r.OK})}
	for _, r := range rows {
		a.Rows = append(a.Rows, []any{r.Probe, r.Trust, r.Value, r.Key, r.Samples, r.Requests, r.OK})
	}
	return a
}
