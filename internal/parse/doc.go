// Package parse turns bytes into records: a [Framer] cuts one connection's
// stream into lines, a [Parser] turns one line into a [record.Record].
//
// What comes in: whatever Fastly's syslog endpoint sends (classic, loggly,
// logplex, blank; with or without a token; LF or octet counted) and whatever a
// stranger sends to the same port. What goes out: every line, always. A line
// that is not understood becomes a record of kind text that says why; it never
// is an error and never ends a connection.
//
// The package is pure: no sockets, no files, no clock. Memory is bounded by the
// line limit: a framer holds at most one line (MaxLine bytes and a short head),
// a parser a few buffers of the size of the longest line it has seen, and what
// makes the next line cheap and never changes what is read of it: the keys of
// the last line (64), its date, and 256 IPv6 addresses (45 KiB). Nothing
// is kept across a crash and nothing needs to be: the spool keeps the lines as
// they came, so a fault in this package costs a second parse, never a line.
package parse
