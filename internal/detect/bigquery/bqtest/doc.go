// Package bqtest is a stand-in for BigQuery's REST API: an http.Handler for
// tests, as strict as the service about what it accepts and as exact about how
// it refuses. It runs no SQL. It checks every query it is given, answers the
// ones that pass from canned rows, and keeps what it saw.
//
// What it checks, with the reason and message of the service where the service
// has one:
//
//   - jobs: the id's alphabet, a location that is the dataset's, the grammar and
//     number of labels, a byte limit of at least 10 MiB and one that the query
//     does not exceed, GoogleSQL;
//   - the text: one statement, and it only reads; brackets and quotes close; the
//     table named exactly once, in full, in backticks; the partition column
//     bounded on both sides by a parameter and never wrapped;
//   - parameters: named; every one that the text mentions is given, and every
//     one given is mentioned.
//
// Any of the service's refusals can be ordered with [Server.Fail], and a job can
// be left running until somebody cancels it with [Server.Hang].
//
// The calls are jobs.query, jobs.insert, jobs.get, jobs.cancel,
// jobs.getQueryResults and tables.get:
// https://docs.cloud.google.com/bigquery/docs/reference/rest.
//
// Beside the table it can have one that is added to and read back ([Kept]): a
// ledger's. A statement takes effect when its job ends well, and not before.
package bqtest
