package duckdb

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"edgewarden/internal/detect"
)

// arguments binds parameters by name. The driver has no array of structs, so
// keys go as JSON, which the statement takes apart.
func arguments(params []detect.Param) ([]any, error) {
	args := make([]any, len(params))
	for i, p := range params {
		v := p.Value
		if keys, ok := v.([]detect.KeyParam); ok {
			text, err := json.Marshal(keys)
			if err != nil {
				return nil, fmt.Errorf("encoding parameter %s: %w", p.Name, err)
			}
			v = string(text)
		}
		args[i] = sql.Named(p.Name, v)
	}
	return args, nil
}
