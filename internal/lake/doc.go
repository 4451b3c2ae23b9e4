// Package lake keeps records on disk as Parquet: the embedded store for one
// machine. DuckDB, pandas and a BigQuery load job read it as it is.
//
// What comes in: batches of records with the spool positions they came from
// ([Writer.Write]), or the lines of an existing log file ([Importer]).
//
// What goes out: one folder an hour of event time, UTC, and in it zstd Parquet
// files in time order with one column for each entry of [record.Fields]:
//
//	lake/
//	  2026-11-22T13/
//	    9f3c…e1-0000000000000000-00000000000004b0.parquet   rows of positions [0, 0x4b0) of spool 9f3c…e1
//	    9f3c…e1-00000000000004b0-0000000000000960.parquet
//	    import-5d41402abc4b2a76b9719d911017c592.parquet     rows of the file with that SHA-256
//	  2026-11-22T14/
//	    …
//
// A name says which positions of which spool a file holds for its hour. A
// reader skips a file whose positions another file of the hour covers
// ([Select]), and a writer drops rows whose positions are already there, so
// neither redelivery nor a merge counts a row twice.
//
// Compaction ([Writer.Maintain]) merges neighbouring files: [a, b) and [b, c)
// become [a, c). It publishes the merged file by rename and deletes what it
// covers only after a grace, so that no query loses a file it has listed.
//
// On a crash: files appear by rename after their bytes were synced, so a file
// is whole or not there; what was being written is left under a name that
// starts with a dot and is swept later. A batch that was written for one hour
// and not yet for the next is written again by the caller, and only the
// missing part is added.
package lake
