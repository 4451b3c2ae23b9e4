// Package query runs one BigQuery query to its end, for the rooms that ask
// BigQuery something or keep something there.
//
// In comes a [Question] with its parameters; out comes an [Answer] with its rows
// and what they cost, or an error that says in one sentence what failed, where,
// and what to do ([Place.Explain]).
//
// Jobs carry labels, a byte limit, a time limit and the dataset's location. A
// call that failed for a passing reason is repeated until the deadline; a job
// that failed so is started again, three times in all. A job nobody waits for
// any more is cancelled.
//
// Job ids are ours. After a crash, a job ends by its own time limit. A question
// with an id is carried out at most once however often it is asked; when its
// end could not be learnt the error is an [ErrUnknown], and asking again tells.
package query
