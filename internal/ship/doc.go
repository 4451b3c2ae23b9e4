// Package ship takes batches out of the spool and stores them, at least once,
// in a [Sink]: Cloud Logging or the lake.
//
//	spool --batch--> [decode] --> Sink.Write { parse > encode > send } --> ack
//	                                   |  refused for good
//	                                   '--> dead letters --> ack
//
// What comes in: spool payloads, each an [Envelope] around a redacted line.
//
// What goes out: records in the sink, named by their spool position, so that a
// record written twice is the same record; and dead letters, which are the
// records a sink will never accept, kept in files that [Replay] sends again.
//
// A sink pulls records out of a batch one by one ([Batch.Records]); for Cloud
// Logging each becomes protobuf bytes at once, straight behind the others of
// its request, and the request goes out without a copy of them. So a batch
// takes the memory of its lines and of its request, whatever a record is.
//
// Failures come in three classes ([Class]). None of them loses a line: the
// batch waits in the spool and is written again. A [Shipper] says a failure
// once when it starts and once when it ends; in between it is a metric. While a
// sink fails one worker tries at a time. A batch that fails although others are
// written waits by itself: it costs one of [Options].InFlight workers, and when
// each of them has such a batch, shipping goes on only as fast as these are
// tried again. Nothing is given up for it; the age of the oldest line in flight
// and the log tell.
//
// Dead letters have a cap, [Options].DeadLetterBytes. Only what is refused for
// good beyond it is lost, and counted as dropped.
//
// On a crash: a batch is acknowledged only after the sink stored it and its
// dead letters are synced. A crash before that has it written again, with the
// same positions and times.
package ship
