// Package acl is everything that is Fastly's: it lists what a service blocks, says what should change, judges that,
// shows it and writes it.
//
//	decisions ──┐
//	            ├─ Diff ─▶ Plan ─ Guard ─▶ Plan, Verdict ─ Render ─▶ a person
//	Read ─ Snapshot                            └─ Apply ─▶ Fastly ─ read back ─▶ Result
//
// What comes in: [policy.Decision]s, and the entries, versions and the control dictionary of one service. What goes
// out: batches of entry operations, two dictionary items, and text. Diff, Guard and the mark are pure; only [Client]
// talks.
//
// Every entry of ours carries a [Mark] in its comment, so the ACL itself is the database: who, why, since when and
// until when. An entry without a mark of our owner belongs to somebody else and is in no change, ever.
//
// After a crash nothing has to be repaired: deletes, creates and updates are separate requests, each leaves a state
// that the next run reads, compares and completes. A write whose answer was lost is never repeated blindly; the entries
// are listed again and only what is still missing is written. Two runs at once can at worst make an entry twice, and the
// next run removes the second. Fastly has no expiry of its own, so the edge enforces only while now is before
// enforce_until, which every successful run moves on (SetLease): a dead blocker ends by itself.
package acl
