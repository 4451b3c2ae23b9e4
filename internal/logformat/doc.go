// Package logformat turns the record's field table into the log format that
// Fastly is to be given, so that what the edge writes and what ingest reads
// cannot drift apart.
//
// [Format] is for the format field of a logging endpoint (format version 2);
// [Statement] is the same line as a log statement for hand-written VCL. Both
// give one JSON object on one line. A line that a client can break is a request
// that detection does not see, so nothing in it depends on the client's good
// will: every string goes through json.escape and is cut to a length that keeps
// the line below Fastly's 16 KB, numbers come from variables that always have a
// value, and booleans are spelled out.
//
// The request id, the two verdicts and the note of a forged address come from
// request headers that our VCL sets (X-Edgewarden-Request-Id, -Blocked,
// -Would-Block, -Claims-Other-IP) after it has removed whatever the client sent
// under these names.
package logformat
