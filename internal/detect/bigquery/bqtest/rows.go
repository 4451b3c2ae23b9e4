package bqtest

import (
	"fmt"
	"strconv"
	"time"
)

// Column is a column of a table or of an answer.
type Column struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`           // STRING, INTEGER, FLOAT, BOOLEAN, TIMESTAMP, RECORD
	Mode   string   `json:"mode,omitempty"` // NULLABLE (default), REQUIRED, REPEATED
	Fields []Column `json:"fields,omitempty"`
}

// Answer is what a query gets: rows with values by column. A nil value is
// NULL; integers, floats, booleans, texts and times are encoded as their column
// says, a RECORD is a []any in the order of its fields, a REPEATED column a
// []any of values.
type Answer struct {
	Columns []Column
	Rows    [][]any
}

// row is the wire form: {"f":[{"v":…}]}.
type cell struct {
	V any `json:"v"`
}

type wireRow struct {
	F []cell `json:"f"`
}

func (a Answer) wire(micros bool) ([]wireRow, error) {
	rows := make([]wireRow, 0, len(a.Rows))
	for i, r := range a.Rows {
		if len(r) != len(a.Columns) {
			return nil, fmt.Errorf("bqtest: canned row %d has %d values for %d columns", i, len(r), len(a.Columns))
		}
		w, err := wireRecord(a.Columns, r, micros)
		if err != nil {
			return nil, fmt.Errorf("bqtest: canned row %d: %w", i, err)
		}
		rows = append(rows, w)
	}
	return rows, nil
}

func wireRecord(cols []Column, vals []any, micros bool) (wireRow, error) {
	var w wireRow
	for i, c := range cols {
		v, err := wireValue(c, vals[i], micros)
		if err != nil {
			return w, fmt.Errorf("column %s: %w", c.Name, err)
		}
		w.F = append(w.F, cell{v})
	}
	return w, nil
}

func wireValue(c Column, v any, micros bool) (any, error) {
	if c.Mode == "REPEATED" {
		list, ok := v.([]any)
		if v != nil && !ok {
			return nil, fmt.Errorf("%T for a repeated column", v)
		}
		one := c
		one.Mode = ""
		cells := []cell{}
		for _, e := range list {
			x, err := wireValue(one, e, micros)
			if err != nil {
				return nil, err
			}
			cells = append(cells, cell{x})
		}
		return cells, nil
	}
	if v == nil {
		if c.Mode == "REQUIRED" {
			return nil, fmt.Errorf("NULL for a required column")
		}
		return nil, nil
	}
	switch x := v.(type) {
	case string:
		if c.Type == "STRING" {
			return x, nil
		}
	case bool:
		if c.Type == "BOOLEAN" {
			return strconv.FormatBool(x), nil
		}
	case int:
		return wireValue(c, int64(x), micros)
	case int64:
		switch c.Type {
		case "INTEGER":
			return strconv.FormatInt(x, 10), nil
		case "FLOAT":
			return strconv.FormatFloat(float64(x), 'g', -1, 64), nil
		}
	case float64:
		if c.Type == "FLOAT" {
			return strconv.FormatFloat(x, 'g', -1, 64), nil
		}
	case time.Time:
		if c.Type == "TIMESTAMP" {
			// https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/DataFormatOptions
			if micros {
				return strconv.FormatInt(x.UnixMicro(), 10), nil
			}
			return strconv.FormatFloat(float64(x.UnixMicro())/1e6, 'E', -1, 64), nil
		}
	case []any:
		if c.Type == "RECORD" && len(x) == len(c.Fields) {
			return wireRecord(c.Fields, x, micros)
		}
	}
	return nil, fmt.Errorf("%T (%v) for a %s column", v, v, c.Type)
}
