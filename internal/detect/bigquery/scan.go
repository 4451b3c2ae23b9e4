package bigquery

import (
	"fmt"
	"strings"

	bq "cloud.google.com/go/bigquery"
)

// scan puts a row's values where dest says, by the names of the columns. NULL
// reads as zero: the statements give none, but a missed one must not end a run.
func scan(schema bq.Schema, row []bq.Value, names []string, dest []any) error {
	if len(schema) != len(names) || len(row) != len(names) {
		return fmt.Errorf("%d columns, not the %d that were asked for", len(row), len(names))
	}
	for i, name := range names {
		if !strings.EqualFold(schema[i].Name, name) {
			return fmt.Errorf("column %d is %q, not %q", i+1, schema[i].Name, name)
		}
		if err := assign(dest[i], row[i]); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	return nil
}

func assign(dest any, v bq.Value) error {
	switch d := dest.(type) {
	case *int64:
		switch x := v.(type) {
		case nil:
			*d = 0
			return nil
		case int64:
			*d = x
			return nil
		}
	case *float64:
		switch x := v.(type) {
		case nil:
			*d = 0
			return nil
		case float64:
			*d = x
			return nil
		case int64:
			*d = float64(x)
			return nil
		}
	case *string:
		switch x := v.(type) {
		case nil:
			*d = ""
			return nil
		case string:
			*d = x
			return nil
		}
	}
	return fmt.Errorf("%T does not fit %T", v, dest)
}
