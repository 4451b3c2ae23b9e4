// Package plain makes hostile text safe to show.
//
// In goes any string that came from the log stream: a path, a user agent, an ACL
// comment a stranger wrote. Out comes valid UTF-8 made of visible characters and
// spaces only, so that it can stand on a terminal, a page, in a chat message, an ACL
// comment or a log line without moving the cursor, turning the reading direction
// or hiding a part of itself. It does not quote for a syntax: HTML, JSON and
// Slack's markup still need their own quoting on top.
//
// The package keeps no state; there is nothing to lose on a crash.
package plain
