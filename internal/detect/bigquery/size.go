package bigquery

import "edgewarden/internal/gcp/query"

// Size writes a number of bytes as the engine's errors do: 212 MiB, 60.0 GiB.
func Size(n int64) string { return query.Size(n) }

// Limit is a size that is not below n, as --max-bytes takes it: 60GiB.
func Limit(n int64) string { return query.Limit(n) }
