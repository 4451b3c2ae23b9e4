// Package bigquery keeps a ledger in a BigQuery table; its store is a
// [ledger.Store].
//
// # What comes in and goes out
//
// Events go in with one INSERT statement for an append, and come out with one
// SELECT, in the order in which they were stored. The table has one column per
// JSON key of [ledger.Event] and stored, the time by BigQuery's own clock; its
// schema is schema.json, and [DDL] is the statement that makes it.
//
// # Why a job and not a stream
//
// The streaming API remembers a row's id for about a minute and as best it can,
// and shows a batch row by row. A job's id is remembered for good, and a
// statement is carried out whole or not at all. So the id of an append's job is
// made from the hashes of its events: however often it is asked for, by the
// library's retries or by [ledger.Chain], it is carried out once. When the job
// has ended the rows can be read. It costs neither storage API fees nor bytes,
// and needs the same permission on the table, bigquery.tables.updateData.
//
// # What it needs
//
// roles/bigquery.jobUser on the table's project, which a blocker that reads its
// logs from BigQuery has, and on the table itself bigquery.tables.get,
// bigquery.tables.getData and bigquery.tables.updateData: a custom role of these
// three, or roles/bigquery.dataEditor on the table. BigQuery has no permission
// to insert without the one to change; that somebody changed a row shows in its
// chain.
//
// # When something breaks
//
// Nothing is kept here. After a crash a statement on its way is carried out or
// not, as a whole. When its end cannot be learnt before the deadline the error is
// a [ledger.ErrUnknown], and the same append later finds out.
package bigquery
