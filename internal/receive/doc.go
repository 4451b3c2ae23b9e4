// Package receive owns the sockets that Fastly writes log lines to.
//
// In come TCP connections, plain or TLS (1.2 or newer, client certificates
// when a client CA is configured), optionally behind a proxy that speaks the
// PROXY protocol. Out go frames: for every read of a connection the handler is
// called once, with all lines that this read completed (4096 at a time, should
// there be more). There is one goroutine a connection and no queue between the
// socket and the handler.
//
// # Who may write
//
// When tokens or a client CA are configured, every line must be met by one of
// them: the token stands before the line, or the connection presented a
// certificate signed by that CA. Other lines are counted under reason "auth"
// and never reach the handler. A list of source addresses is no substitute:
// every customer of Fastly logs from the same addresses. Where one of them is
// configured, lines from unexpected addresses are counted and kept; where none
// is, such connections are refused.
//
// # What a connection can do to another
//
// Nothing. Limits hold in total and per source, handshakes have a deadline, a
// panic while serving one connection ends that connection only. What is wrong
// with a connection (a TLS hello on the plain port, a probe that opens and
// closes) is counted under a reason and said once, never once per connection.
//
// Read buffers are borrowed when a socket has something to read and given back
// before the next wait, so a quiet plain connection costs its goroutine and
// little else; one that dribbles a line costs at most that line's limit. A TLS
// connection keeps 1 KiB, or 16 KiB after it filled that, besides what
// crypto/tls keeps. When all connections are taken, the oldest that has brought
// no line makes room for a new one.
//
// # How a connection ends
//
// On shutdown and at its greatest age a connection is half closed, which tells
// the sender; what it still writes is read until it closes or falls silent. One
// of great age whose sender goes on all the same is closed after ten seconds, at
// the next LF. Syslog has no acknowledgement: what such a sender has on
// its way at that moment is lost.
//
// # On a crash
//
// Bytes that were not handed to the handler are lost: syslog over TCP has no
// acknowledgement. Whatever the handler kept is the handler's.
package receive
