// Package notify tells people in a chat, or a program, what a run did that they must know.
//
// In comes a [Run] and what the ledger remembers of the runs before it. [Compose] decides whether there is anything to say and
// makes at most one [Message]; [Sender.Send] delivers it to a webhook, as generic JSON or in Slack's form. Texts from the log, from
// Fastly and from errors are hostile: they are made plain, and mentions and links in them are broken. The URL is a secret and is in
// no error.
//
// Nothing is kept. Whether the same failure was told less than an hour ago follows from the run summaries in the ledger, so a crash
// loses nothing; a run that dies between its work and its message says nothing, and the next one goes by the ledger.
package notify
