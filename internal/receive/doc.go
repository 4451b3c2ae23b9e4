// Package receive owns the sockets that Fastly writes log lines to.
//
// In come TCP connections, plain or TLS (1.2 or newer, client certificates
// when a client CA is configured), optionally behind a proxy that speaks the
// PROXY protocol. Out go frames: for every read of a connection the handler is
// called once, with all lines that this read completed. There is one goroutine
// a connection and no queue between the socket and the handler.
//
// # Who may write
//
// When tokens or a client CA are configured, every line must be met by one of
// them: the token stands before the line, or the connection presented a
// certificate signed by that CA. Other lines are counted under reason "auth"
// and never reach the handler. A list of source addresses is no substitute:
// every customer of Fastly logs from the same addresses.
//
// # What a connection can do to another
//
// Nothing. Limits hold in total and per source, handshakes have a deadline, a
// panic while serving one connection ends that connection only. What is wrong
// with a connection (a TLS hello on the plain port, a probe that opens and
// closes) is counted under a reason and said once, never once per connection.
//
// # On a crash
//
// Bytes that were not handed to the handler are lost: syslog over TCP has no
// acknowledgement. Whatever the handler kept is the handler's.
package receive
