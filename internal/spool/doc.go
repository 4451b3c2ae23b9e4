// Package spool is a durable queue of opaque payloads on disk, read by named
// cursors that each remember which records were acknowledged.
//
// What comes in: payloads, through [Spool.Append], from many goroutines. What
// goes out: batches, through [Cursor.Next]; a consumer acknowledges each with
// [Cursor.Ack] or gives it back with [Cursor.Release]. All cursors read the
// same bytes independently. Delivery is at least once, with the same position
// for a record and the same bounds for a batch each time; so a consumer that
// stores by position or by bounds stores everything exactly once.
//
// # Promises
//
//   - A record whose Append returned survives the death of the process. It
//     survives that of the machine once a sync has passed: by itself within
//     Options.SyncInterval, at once with [Spool.Sync].
//   - Only synced records are handed out, so no position is ever given to two
//     records, not even after a power cut.
//   - Nothing that can be read is passed over. Damage costs the records it
//     stands on; the file is kept.
//   - At the byte cap and on a full disk the newest records are refused with
//     [ErrFull]; nothing waits, nothing exits, and it ends by itself.
//   - No owner of records fills the spool for the others: share.go.
//   - Memory does not grow with the queue.
//
// # Files
//
//	DIR/                  0700; files 0600
//	  lock                flock(2) is held by the process that has it open, whose id it contains
//	  id                  16 hex digits and LF: 64 random bits, made once
//	  0000002a.seg        segment 0x2a, numbers rise and never come back
//	  00000007.damaged    a damaged segment nobody needs any more, set aside; the next open does not read it
//	  cursor-NAME         a cursor
//	  cursor-NAME.damaged a cursor that could not be read, set aside
//	  *.tmp               left by a crash before a rename; removed by the next open
//
// All integers are little-endian. Checksums are CRC-32C (Castagnoli). A sum
// "from X" starts from X in place of zero, as [hash/crc32.Update] does.
//
// A segment:
//
//	 0  8  "EWSPOOL\n"
//	 8  2  format version, 1
//	10  2  size of this header, 64
//	12  4  segment number
//	16  8  spool id
//	24  8  created, unix nanoseconds
//	32 28  zero
//	60  4  sum of bytes 0 to 60
//	64     records, one after the other
//	       seal, when the segment was closed in good order
//
// A record; its position is segment number << 32 | offset in the file:
//
//	 0  4  sum of bytes 4 to 20, from S xor the record's offset
//	 4  4  size of the payload
//	 8  4  sum of the payload
//	12  8  appended, unix nanoseconds
//	20     payload
//
// where S, the segment's seed, is the sum of the spool id (8 bytes) and the
// segment number (4 bytes). So neither a stale disk block, nor a record at
// another place, nor bytes that a client sent can pass for a record.
//
// A seal, the last 48 bytes:
//
//	 0  8  "EWSEAL\0\n"
//	 8  8  number of records
//	16  8  offset at which the seal stands
//	24  8  append time of the first record
//	32  8  append time of the last record
//	40  4  zero
//	44  4  sum of bytes 0 to 44, from S
//
// A cursor file is two areas of equal size, at first 64 KiB each. The one with
// a valid header and the higher generation counts. It is overwritten in place
// and never grows in ordinary use, since acknowledging is what frees a full
// disk:
//
//	 0  8  "EWCURSR\n"
//	 8  8  generation
//	16  8  spool id
//	24  4  format version, 1
//	28  4  sum of bytes 0 to 28
//	32     entries of 24 bytes:
//	        0  4  sum of bytes 4 to 24, from G xor the entry's offset in the area
//	        4  1  1: acknowledged; 2: handed out as one batch
//	        5  3  zero
//	        8  8  from   positions [from, to)
//	       16  8  to
//
// where G is the sum of the spool id and the generation, 8 bytes each. When an
// area is full, the whole state goes to the other one: entries, sync, header,
// sync.
//
// # Crash points
//
// Death of the process (kill -9, panic, out of memory):
//
//   - In the middle of an append: the tail is torn. The next open keeps its
//     whole records and cuts off the rest.
//   - After an append, before the sync: everything is there. The next open
//     syncs it before showing it.
//   - Between a batch and its acknowledgement: the batch comes again with the
//     same bounds, before anything else.
//
// Death of the machine, beyond that:
//
//   - Before the sync: records are lost, at most those of one interval and one
//     sync. Nobody saw them, and their positions do not come back, since every
//     open starts a new segment.
//   - A new segment whose name was not durable is gone with its records, none
//     of which was synced. Its number is used again; nobody saw it.
//   - Before an acknowledgement was synced, which happens with the next batch,
//     with the removal of a segment and on Close: the batch comes again.
//   - Between the removal of a spent segment and now: the segment is back, the
//     acknowledgements are not lost, and it is removed again.
//   - While a cursor changes areas: the old area still says the same.
//
// A failed sync: the file is given up at its last good sync, since the kernel
// may have dropped the dirty pages; what was in doubt is read back, checked,
// and appended to a new segment. If that fails too, appends are refused until
// it works; nothing in doubt is shown.
//
// # Assumptions and limits
//
//   - A local file system that honours fsync and flock: ext4, XFS, a block
//     volume. Not NFS.
//   - A synced byte stays as it is or fails its checksum. A bit that flips in
//     the very last record of a segment without a seal cannot be told from a
//     torn tail. A segment file that somebody removes or cuts at a record's end
//     by hand is not missed.
//   - What a damaged disk block hides for a moment counts as damaged: the
//     records are passed over, the file is kept, and [Dump] reads it.
//   - 2^32 segments in the life of a directory; an open uses one.
//   - One append of more than Options.SegmentBytes makes a larger segment.
package spool
