// Package emulator asks the rules of detecttest of detect/bigquery's engine
// over a real execution of GoogleSQL, the emulator of BigQuery
// (https://github.com/goccy/bigquery-emulator), in this process: for each table
// kind, the offenders, the answers about present blocks, the health and the
// evidence have to be those of the reference, and so those of DuckDB.
//
// It is tests only, and a module of its own: the emulator needs minutes and
// 6 GB of memory to build, once.
//
// What the emulator cannot show: percentiles (its APPROX_QUANTILES does not sort),
// limits such as maximumBytesBilled, partition pruning, prices. The statements
// use none of the functions it computes wrongly.
package emulator
