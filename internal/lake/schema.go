package lake

import (
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"edgewarden/internal/record"
)

// rowGroupRows is DuckDB's own row group size: one group is one unit of its
// parallel scan, and min/max pruning works at this grain.
// https://duckdb.org/docs/stable/data/parquet/tips
const rowGroupRows = 122_880

// schema has one optional column for each entry of [record.Fields], in the
// table's order; an absent field is NULL.
var schema = parquet.SchemaOf(reflect.New(rowType()).Interface())

// rowType makes a struct type from the field table. No value of it is ever
// made: it is the library's way to say in which order the columns stand.
func rowType() reflect.Type {
	fields := make([]reflect.StructField, record.NumFields)
	for f := record.Field(0); f < record.NumFields; f++ {
		info := record.Fields[f]
		typ, tag := columnType(f, info.Type)
		fields[f] = reflect.StructField{
			Name: "F_" + strings.ToUpper(info.Name),
			Type: typ,
			Tag:  reflect.StructTag(`parquet:"` + info.Name + `,optional` + tag + `"`),
		}
	}
	return reflect.StructOf(fields)
}

func columnType(f record.Field, t record.Type) (reflect.Type, string) {
	switch t {
	case record.Int:
		return reflect.TypeFor[int64](), ""
	case record.Bool:
		return reflect.TypeFor[bool](), ""
	case record.Time:
		return reflect.TypeFor[int64](), ",timestamp(microsecond)"
	}
	switch f {
	case record.Position:
		// Every value is another one and shares its beginning with the last.
		return reflect.TypeFor[string](), ",delta"
	case record.RequestID, record.Text:
		return reflect.TypeFor[string](), "" // a dictionary of unique values is a second copy
	}
	return reflect.TypeFor[string](), ",dict"
}

// fill sets values to field f of rows, one value a row, NULL where it is absent.
func fill(values []parquet.Value, rows []*record.Record, f record.Field) {
	null := parquet.NullValue().Level(0, 0, int(f))
	if record.Fields[f].Type == record.String {
		for i, r := range rows {
			s := *r.Str(f)
			if s == "" {
				values[i] = null
				continue
			}
			// The writer copies the bytes before it returns, and never changes them.
			values[i] = parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s))).Level(0, 1, int(f))
		}
		return
	}
	for i, r := range rows {
		if values[i] = null; r.Present.Has(f) {
			values[i] = number(r, f).Level(0, 1, int(f))
		}
	}
}

// number returns a field that is present and no string.
func number(r *record.Record, f record.Field) parquet.Value {
	switch record.Fields[f].Type {
	case record.Int:
		return parquet.Int64Value(*r.Int(f))
	case record.Bool:
		return parquet.BooleanValue(*r.Bool(f))
	}
	return parquet.Int64Value(r.Time(f).UnixMicro())
}

// setValue sets field f of r from a column's value; NULL leaves it absent.
func setValue(r *record.Record, f record.Field, v parquet.Value) {
	if v.IsNull() {
		return
	}
	switch record.Fields[f].Type {
	case record.String:
		*r.Str(f) = string(v.ByteArray())
	case record.Int:
		r.SetInt(f, v.Int64())
	case record.Bool:
		r.SetBool(f, v.Boolean())
	case record.Time:
		r.SetTime(f, time.UnixMicro(v.Int64()).UTC())
	}
}

// kinds are the physical types of the columns; a column of another type, in a
// file somebody else wrote, is not read.
var kinds = func() (k [record.NumFields]parquet.Kind) {
	for f := range k {
		switch record.Fields[f].Type {
		case record.String:
			k[f] = parquet.ByteArray
		case record.Bool:
			k[f] = parquet.Boolean
		default:
			k[f] = parquet.Int64
		}
	}
	return k
}()
