package emulator_test

import (
	"fmt"
	"strings"

	bq "cloud.google.com/go/bigquery"

	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/record"
)

// kind is a table kind: what its tables look like, how a record gets into one,
// and what is left of the record there.
type kind struct {
	kind    bigquery.Kind
	time    string // the partition column
	columns map[string]string
	schema  func() bq.Schema
	rows    func(i int, r *record.Record) []row
	seen    func(r record.Record) (record.Record, bool) // the record as the table tells it; false: no row of such a table
	where   func(string) string                         // a rule's condition, for such a table
}

func same(where string) string { return where }

func kinds() []kind { return []kind{sink(), fastly(), custom()} }

// value is a field of a record as a table keeps it; nil when the record does
// not have it.
func value(r *record.Record, f record.Field) bq.Value {
	if !r.Has(f) {
		return nil
	}
	switch record.Fields[f].Type {
	case record.Int:
		return *r.Int(f)
	case record.Bool:
		return *r.Bool(f)
	case record.Time:
		return *r.Time(f)
	}
	if s := *r.Str(f); s != "" {
		return s
	}
	return nil
}

var columnType = map[record.Type]bq.FieldType{
	record.String: bq.StringFieldType, record.Int: bq.IntegerFieldType, record.Bool: bq.BooleanFieldType, record.Time: bq.TimestampFieldType,
}

// sink is a table as the Log Router writes it: fields in a record column, every
// number a FLOAT64, times in it as text, some entries more than once.
func sink() kind {
	const original = "original_timestamp"
	k := kind{kind: bigquery.Sink, time: "timestamp", where: same}
	k.schema = func() bq.Schema {
		payload := bq.Schema{{Name: original, Type: bq.StringFieldType}}
		for f := record.Field(0); f < record.NumFields; f++ {
			typ := columnType[record.Fields[f].Type]
			switch {
			case f == record.Timestamp || f == record.Position:
				continue
			case typ == bq.IntegerFieldType:
				typ = bq.FloatFieldType
			case typ == bq.TimestampFieldType:
				typ = bq.StringFieldType
			}
			payload = append(payload, &bq.FieldSchema{Name: record.Fields[f].Name, Type: typ})
		}
		return bq.Schema{{Name: "timestamp", Type: bq.TimestampFieldType}, {Name: "insertId", Type: bq.StringFieldType},
			{Name: "jsonPayload", Type: bq.RecordFieldType, Schema: payload}}
	}
	k.rows = func(i int, r *record.Record) []row {
		payload := map[string]bq.Value{}
		for f := record.Field(0); f < record.NumFields; f++ {
			v := value(r, f)
			switch n := v.(type) {
			case int64:
				v = float64(n)
			}
			if f == record.Received && v != nil {
				v = r.Received.Format("2006-01-02T15:04:05.000000Z")
			}
			if v != nil && f != record.Timestamp && f != record.Position {
				payload[record.Fields[f].Name] = v
			}
		}
		if r.TimeSource == record.TimeReceived && i%2 == 0 {
			// Cloud Logging would not have kept the event time, so the entry has
			// that of its arrival.
			payload["time_source"], payload[original] = record.TimeMessage, "2020-01-01T00:00:00Z"
		}
		one := row{"timestamp": r.Timestamp, "insertId": fmt.Sprintf("00112233445566aa-%016x", i), "jsonPayload": payload}
		if i%9 == 0 {
			return []row{one, one} // delivered again
		}
		return []row{one}
	}
	k.seen = func(r record.Record) (record.Record, bool) { return r, r.Kind != record.KindHeartbeat } // they have a table of their own
	return k
}

// fastly is a table that Fastly's own endpoint writes: requests alone, as the
// edge saw them, without what nobody redacts.
func fastly() kind {
	hidden := map[record.Field]bool{record.Query: true, record.Referer: true, record.UserAgent: true}
	has := func(f record.Field) bool { return record.Fields[f].Origin == record.FromLine && !hidden[f] }
	k := kind{kind: bigquery.Fastly, time: "timestamp"}
	k.schema = func() bq.Schema {
		var s bq.Schema
		for f := record.Field(0); f < record.NumFields; f++ {
			if has(f) {
				s = append(s, &bq.FieldSchema{Name: record.Fields[f].Name, Type: columnType[record.Fields[f].Type]})
			}
		}
		return s
	}
	k.rows = func(i int, r *record.Record) []row {
		out := row{}
		for f := record.Field(0); f < record.NumFields; f++ {
			if v := value(r, f); has(f) && v != nil {
				out[record.Fields[f].Name] = v
			}
		}
		if addr := strings.Split(r.ClientIP, "."); i%3 == 0 && len(addr) == 4 {
			out["client_ip"] = "::ffff:" + r.ClientIP // IPv4-mapped: still the same client
		}
		return []row{out}
	}
	k.seen = func(r record.Record) (record.Record, bool) {
		if r.Kind != record.KindRequest {
			return r, false
		}
		r.JA3, r.UserAgent, r.Query, r.Referer = r.UserAgent, "", "", ""
		r.Sender, r.TimeSource, r.AddressSource = record.SenderToken, record.TimeMessage, record.AddressHeader
		if r.Has(record.FirstHop) && r.FirstHop {
			r.AddressSource = record.AddressEdge
		}
		return r, true
	}
	// The user agent of the rules is another text here.
	k.where = func(where string) string { return strings.ReplaceAll(where, "user_agent", "ja3") }
	return k
}

// custom is somebody's own table: other names, other types, columns in columns,
// an id of its rows, and some rows more than once.
func custom() kind {
	k := kind{kind: bigquery.Custom, time: "at", columns: map[string]string{}, where: same}
	nested := map[record.Field]bool{record.Status: true, record.Method: true, record.Path: true}
	for f := record.Field(0); f < record.NumFields; f++ {
		name := "select_" + record.Fields[f].Name
		switch {
		case f == record.Timestamp:
			name = k.time
		case f == record.Kind:
			continue // requests alone
		case nested[f]:
			name = "http." + name
		}
		k.columns[record.Fields[f].Name] = name
	}
	k.schema = func() bq.Schema {
		var s, http bq.Schema
		for f := record.Field(0); f < record.NumFields; f++ {
			name := k.columns[record.Fields[f].Name]
			col := &bq.FieldSchema{Name: name, Type: columnType[record.Fields[f].Type]}
			switch {
			case name == "":
			case nested[f]:
				col.Name, col.Type = strings.TrimPrefix(name, "http."), bq.StringFieldType // the status a text
				http = append(http, col)
			default:
				s = append(s, col)
			}
		}
		return append(s, &bq.FieldSchema{Name: "http", Type: bq.RecordFieldType, Schema: http})
	}
	k.rows = func(i int, r *record.Record) []row {
		out, http := row{}, map[string]bq.Value{}
		for f := record.Field(0); f < record.NumFields; f++ {
			name, v := k.columns[record.Fields[f].Name], value(r, f)
			switch {
			case name == "" || v == nil:
			case nested[f]:
				http[strings.TrimPrefix(name, "http.")] = fmt.Sprint(v)
			default:
				out[name] = v
			}
		}
		out["http"] = http
		out[k.columns[record.Fields[record.Position].Name]] = fmt.Sprintf("row-%d", i)
		if i%9 == 0 {
			return []row{out, out} // written again
		}
		return []row{out}
	}
	k.seen = func(r record.Record) (record.Record, bool) { return r, r.Kind == record.KindRequest }
	return k
}
