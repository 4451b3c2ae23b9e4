// Package bigquery runs compiled rules on BigQuery; its [Engine] is a
// [detect.Engine].
//
// # What comes in
//
// A table, and who writes it ([Kind]), which decides how its columns are named
// and how far its rows are trusted:
//
//   - sink: the Log Router writes it from what ingest sends to Cloud Logging.
//     Fields are in jsonPayload under their own names, timestamp and insertId are
//     the entry's; the table is partitioned by day on timestamp. Delivery is at
//     least once, so rows of one timestamp and insertId are counted once, in the
//     scan itself. Trust is what ingest wrote into each row.
//   - fastly: Fastly's own BigQuery endpoint writes it. Columns are named and
//     typed as the fields; hour partitions, clustered by client_ip. Only Fastly's
//     service account may write, so rows count as authenticated, and an address
//     as the edge's where first_hop is true. It carries no query, referer or user
//     agent, since nothing redacts it on its way; client_key and client_prefix
//     are computed from client_ip. There is no id to tell a row that Fastly sent
//     twice.
//   - custom: any table, through a mapping of fields to columns. What is not
//     mapped is empty; sender and address_source that are not mapped grant no
//     trust, so its offenders are shown and not blocked. Where position is mapped
//     to an id of the rows, a row that was written twice counts once.
//
// # What goes out
//
// One query for all rules, one more for the evidence of offenders, one for all
// that those of rules with a where asked for ([detect.Query.Wholes]), and one over a minute where lines do not say first_hop ([detect.Query.Repeats]). Each
// names the table once, reads the columns the rules name and no other, and
// compares the bare timestamp with parameters, so that only the partitions of
// the window are read. Jobs carry labels, a byte limit ([Options.MaxBytes]), a
// time limit and the dataset's location.
//
// Before each query the table's schema is read (tables.get, free): the Log
// Router makes a column with the first entry that has it, and a rule must not
// fail on a field that no request had yet. Such a field is empty and mentioned
// once in the log. Without the permission to read the schema, all columns are
// taken to be there.
//
// Heartbeats are in a table of their own, with the suffix _heartbeat. It is
// optional and not read, so [detect.Health.LossKnown] is always false here.
//
// # What it needs
//
// roles/bigquery.jobUser on the project that pays, and
// roles/bigquery.dataViewer on the dataset. A refusal names the one that is
// missing.
//
// # When something breaks
//
// The library repeats a call that failed for a passing reason until the
// deadline; a job that failed so is started again, three times in all. A job we
// stop waiting for is cancelled. When the process dies, the job ends by its own
// time limit; nothing else is left behind, since queries only read.
package bigquery
