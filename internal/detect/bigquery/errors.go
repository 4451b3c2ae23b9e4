package bigquery

import "edgewarden/internal/gcp/query"

var (
	// ErrDeadline is in the chain of the error of a query that did not end in time.
	ErrDeadline = query.ErrDeadline
	// ErrTooManyBytes is in the chain of the error of a query that was refused,
	// before it cost anything, because it would have been billed for more than
	// [Options.MaxBytes]. A query with shorter windows may pass.
	ErrTooManyBytes = query.ErrTooManyBytes
	// ErrTooMuchMemory is in the chain of the error of a query that needed more
	// memory than BigQuery gives one. A query with shorter windows may pass.
	ErrTooMuchMemory = query.ErrTooMuchMemory
)
