// Package duckdb answers detect's queries from the lake on disk, with DuckDB in
// this process. Nothing is loaded or kept: each query reads the Parquet files of
// its hours.
//
// What comes in: a lake directory, as package lake writes it. What goes out:
// the same answers as detect/bigquery gives on the same rows, the order of
// offenders included.
//
// The engine reads files only and never the network: extensions are neither
// installed nor loaded. It spills to disk only when given a directory for it.
//
// A process that is killed leaves its folder in that directory, named
// edgewarden-spill-*, and what it had spilled; nothing else is left behind. A file that compaction or retention takes
// away between listing and reading makes the query start again with a new
// listing.
package duckdb
