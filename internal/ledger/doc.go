// Package ledger keeps the audit trail: what was done to whom, by whom, when,
// from where, and how it ended, with every field PCI DSS v4.0.1 requirement 10.2.2 asks for.
//
// In come events, through a [Chain]: one per run, each event carrying the SHA-256
// of the one before it. Out come the events again, in the order of their writing, the run
// summaries among them ([Summaries]) and what is remembered of addresses whose block
// has ended ([History]).
//
// The file store writes JSON lines. An append is one write and one fsync under a
// file lock, so that several processes may share a file. After a crash the last line may
// be torn; it was never acknowledged, and the next append cuts it off.
//
// [Verify] finds a record that was changed, removed, inserted or moved within its
// run. That the last records of a run, or a whole run, were cut away can only be seen against a
// head kept elsewhere: [Heads] and [VerifyHeads]. Each run logs its head.
//
// [Store] has two implementations: the file, and a BigQuery table (ledger/bigquery) with one column per JSON key of
// [Event]. Both can be read by [Verify].
package ledger
