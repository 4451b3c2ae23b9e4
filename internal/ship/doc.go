// Package ship takes batches out of the spool and stores them, at least once,
// in a [Sink]: Cloud Logging or the lake.
//
//	spool --batch--> [decode, parse] --records--> Sink.Write --> ack
//	                                                  |  refused for good
//	                                                  '--> dead letters --> ack
//
// What comes in: spool payloads, each an [Envelope] around a redacted line.
//
// What goes out: records in the sink, named by their spool position, so that a
// record written twice is the same record; and dead letters, which are the
// records a sink will never accept, kept in files that [Replay] sends again.
//
// Failures come in three classes ([Class]). None of them loses a line: the
// batch waits in the spool and is written again. A [Shipper] says a failure
// once when it starts and once when it ends; in between it is a metric.
//
// On a crash: a batch is acknowledged only after the sink stored it and its
// dead letters are synced. A crash before that has it written again, with the
// same positions and times.
package ship
