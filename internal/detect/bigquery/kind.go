package bigquery

// Kind says who writes the table, and so how its columns are named and how far
// its rows can be trusted.
type Kind string

// The table kinds.
const (
	// Sink is a table the Log Router writes from the entries ingest ships to
	// Cloud Logging.
	Sink Kind = "sink"
	// Fastly is a table of our own that Fastly's BigQuery endpoint writes.
	Fastly Kind = "fastly"
	// Custom is anybody's table, read through a mapping of record fields to
	// columns.
	Custom Kind = "custom"
)
