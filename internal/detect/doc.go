// Package detect turns rules into offenders: it compiles CEL conditions into
// one query that scans the stored requests once, and reads an engine's rows
// back as offenders, health and answers about present blocks. It is pure: it
// opens no connection and knows no engine; [Engine] is implemented in
// detect/duckdb and detect/bigquery.
//
// # What comes in
//
// [Rule] values as written in the configuration. A rule's where is a condition
// over the fields of one request ([WhereNames]); its when is a condition over
// the values measured for one key in the rule's window ([WhenNames]). The
// language is a closed subset of CEL:
//
//	&& || !  == != < <= > >=  in [literals]
//	startsWith endsWith contains matches   (matches is an RE2 search)
//	strings, ints, doubles, bools, parentheses
//
// [Class] values, when a rule's when names weight: what the requests of each weigh.
//
// # What goes out
//
// [Set.DetectSQL] and [Set.EvidenceSQL] give the text and the named parameters
// for a [Dialect] over a [Source]; [Assemble] and [AttachEvidence] read the rows.
// A person asks more: [Query.About] names keys that are told whether they meet a
// rule or not, and [Query.Lookup] finds who made a request.
//
// # No NULL reaches a rule
//
// A field the store does not have for a request is "" for strings, 0 for
// numbers and false for booleans, in every comparison and in both engines. So
// status == 0 finds requests without a status, and such a request is neither
// ok nor an error.
//
// # What is counted
//
// Rows with kind request of the asked service, whose time is that of the
// request (time_source is not received), which are not from a shield
// (first_hop false; absent counts as first hop, and [Query.Repeats] says whether
// a shield logs such requests again), that carry the rule's key, at
// or after T minus the rule's window and before T, and were not refused by us
// (blocked). Rows that can be forged or were not authenticated ([Trust]) are
// counted apart from the others: they never share a count, a share or a score.
// Whom a block would hit is counted over all of that but for the where ([Query.Wholes]).
//
// # On a crash
//
// Nothing here has state; a run that dies is started again.
package detect
