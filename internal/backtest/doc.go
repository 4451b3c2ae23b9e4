// Package backtest replays the present rules over the past: who would have been
// blocked, by which rule, when and for how long, how many requests that would have
// refused, and whom the lists would have saved. It also suggests thresholds.
//
// # What comes in
//
// Rules with their actions and the lists of today, and a [detect.Replayer], an
// engine that scans the stored requests a few times for many steps together.
//
// # What goes out
//
// A [Report]; [Suggest] gives a [Suggestion] for each rule. Nothing is written.
//
// # How the past is replayed
//
// At each step the offenders go through [policy.Decide] with the blocks, strikes
// and answers about present blocks that earlier steps would have left. A row is taken
// to be in the store at once, and a block to be in force from its step until the
// step that releases it. The first step knows no block and no strike.
//
// A backtest never feeds itself, as a run does not: rows that the ACL refused in
// the past count for no new block, and only move the expiry of a block that the
// replay imagines. Rows that an imagined block would have refused are treated the
// same; shares, scores and distinct values of a rule stay those of all rows that
// were not refused in the past. So an address that was really blocked then is seen
// until its real block, and after it.
//
// The guard and the room in the ACL are not replayed; the report says how many
// blocks there would have been at once and in one step.
//
// # On a crash
//
// Nothing here has state; a backtest that dies is started again.
package backtest
