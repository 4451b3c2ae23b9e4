package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
)

// Sizes of a cursor file; see doc.go.
const (
	areaBytes = 64 << 10 // of each of the two areas of a new file
	areaHead  = 32
	entrySize = 24
)

var areaMark = [8]byte{'E', 'W', 'C', 'U', 'R', 'S', 'R', '\n'}

// Kinds of entries.
const (
	entryAck   = 1 // the span is acknowledged
	entryClaim = 2 // the span was handed out as one batch
)

// entry is one line of a cursor's log.
type entry struct {
	kind byte
	span span
}

// cursorLog keeps a cursor on disk. The file has a fixed size and is only ever
// overwritten in place, so that acknowledging, which is what frees a full disk,
// needs no room on it. Its fields are guarded by Cursor.mu; syncMu lets several
// batches share one sync.
type cursorLog struct {
	path string
	id   uint64
	f    *os.File
	sync func(*os.File) error

	area  int    // which half is in use
	bytes int64  // size of one area
	gen   uint64 // rises with each change of area; the higher one counts
	used  int64  // bytes of the area that are written
	stale bool   // a write failed: the whole state is to be written again

	written uint64 // entries handed to write

	syncMu sync.Mutex
	synced uint64 // entries known to be durable
}

// createCursorLog makes the file for a new cursor.
func createCursorLog(path string, id uint64, entries []entry, gen uint64) error {
	size := int64(areaBytes)
	for size < 2*(areaHead+int64(len(entries))*entrySize) {
		size *= 2
	}
	b := make([]byte, 2*size)
	copy(b, encodeArea(id, gen, entries))
	if err := writeFile(path, b); err != nil {
		return fmt.Errorf("create cursor: %w", err)
	}
	return nil
}

// openCursorLog opens the file and returns what it says; ok is false when
// neither area can be read.
func openCursorLog(path string, id uint64, write bool) (l *cursorLog, entries []entry, ok bool, err error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, nil, false, err
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, nil, false, err
	}
	l = &cursorLog{path: path, id: id, f: f, bytes: st.Size() / 2, sync: dataSync}
	for area := range 2 {
		if gen, ok := readArea(f, id, int64(area)*l.bytes, l.bytes); ok && gen > l.gen {
			l.gen, l.area = gen, area
		}
	}
	if l.gen == 0 {
		return l, nil, false, nil
	}
	entries, l.used = readEntries(f, id, l.gen, int64(l.area)*l.bytes, l.bytes)
	return l, entries, true, nil
}

// encodeArea is the bytes of an area, its header first.
func encodeArea(id, gen uint64, entries []entry) []byte {
	b := make([]byte, areaHead, areaHead+len(entries)*entrySize)
	copy(b, areaMark[:])
	binary.LittleEndian.PutUint64(b[8:], gen)
	binary.LittleEndian.PutUint64(b[16:], id)
	binary.LittleEndian.PutUint32(b[24:], formatVersion)
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
	return appendEntries(b, id, gen, areaHead, entries)
}

// appendEntries encodes entries that will stand at off in their area. The
// generation and the offset are in the checksum: what an earlier generation
// left in the area is no entry.
func appendEntries(b []byte, id, gen uint64, off int64, entries []entry) []byte {
	seed := entrySeed(id, gen)
	for _, e := range entries {
		start := len(b)
		b = append(b, 0, 0, 0, 0, e.kind, 0, 0, 0)
		b = binary.LittleEndian.AppendUint64(b, e.span.from)
		b = binary.LittleEndian.AppendUint64(b, e.span.to)
		binary.LittleEndian.PutUint32(b[start:], crc32.Update(seed^uint32(off), castagnoli, b[start+4:]))
		off += entrySize
	}
	return b
}

func entrySeed(id, gen uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], id)
	binary.LittleEndian.PutUint64(b[8:], gen)
	return crc32.Checksum(b[:], castagnoli)
}

// readArea returns the generation of the area at off.
func readArea(f io.ReaderAt, id uint64, off, size int64) (uint64, bool) {
	if size < areaHead {
		return 0, false
	}
	b := make([]byte, areaHead)
	readAround(f, b, off)
	return binary.LittleEndian.Uint64(b[8:]), [8]byte(b) == areaMark &&
		binary.LittleEndian.Uint64(b[16:]) == id &&
		binary.LittleEndian.Uint32(b[24:]) == formatVersion &&
		binary.LittleEndian.Uint32(b[28:]) == crc32.Checksum(b[:28], castagnoli)
}

// readEntries returns the sound entries of an area and where the last of them
// ends. A damaged one is passed over: a lost acknowledgement means a batch
// twice, never one lost.
func readEntries(f io.ReaderAt, id, gen uint64, at, size int64) (entries []entry, used int64) {
	b := make([]byte, size)
	readAround(f, b, at)
	seed := entrySeed(id, gen)
	used = areaHead
	for off := int64(areaHead); off+entrySize <= size; off += entrySize {
		e := b[off:][:entrySize]
		if binary.LittleEndian.Uint32(e) != crc32.Update(seed^uint32(off), castagnoli, e[4:]) {
			continue
		}
		entries = append(entries, entry{e[4], span{binary.LittleEndian.Uint64(e[8:]), binary.LittleEndian.Uint64(e[16:])}})
		used = off + entrySize
	}
	return entries, used
}

// append writes one entry; state gives the whole cursor when a new area has to
// be begun. What is written survives the process; sync makes it durable.
func (l *cursorLog) append(e entry, state func() []entry) error {
	if l.f == nil {
		return ErrClosed
	}
	l.written++
	if l.stale || l.used+entrySize > l.bytes {
		return l.rewrite(state())
	}
	b := appendEntries(nil, l.id, l.gen, l.used, []entry{e})
	if _, err := l.f.WriteAt(b, int64(l.area)*l.bytes+l.used); err != nil {
		l.stale = true
		return fmt.Errorf("write cursor: %w", err)
	}
	l.used += entrySize
	return nil
}

// rewrite puts the whole state in the other area and makes it the one that
// counts: entries, sync, header, sync. A crash between leaves the old area, in
// which everything stands, too.
func (l *cursorLog) rewrite(entries []entry) error {
	l.stale = true
	if areaHead+int64(len(entries))*entrySize > l.bytes*3/4 {
		return l.grow(entries)
	}
	area := 1 - l.area
	at := int64(area) * l.bytes
	b := encodeArea(l.id, l.gen+1, entries)
	for _, part := range []struct {
		b  []byte
		at int64
	}{{b[areaHead:], at + areaHead}, {b[:areaHead], at}} {
		_, err := l.f.WriteAt(part.b, part.at)
		if err == nil {
			err = l.sync(l.f)
		}
		if err != nil {
			l.gen++ // never write the same generation twice
			return fmt.Errorf("write cursor: %w", err)
		}
	}
	l.area, l.gen, l.used, l.stale = area, l.gen+1, int64(len(b)), false
	return nil
}

// grow moves to a larger file.
func (l *cursorLog) grow(entries []entry) error {
	if err := createCursorLog(l.path, l.id, entries, l.gen+1); err != nil {
		return err
	}
	n, _, ok, err := openCursorLog(l.path, l.id, true)
	if err == nil && !ok {
		err = fmt.Errorf("cursor %s cannot be read back", l.path)
	}
	if err != nil {
		return err
	}
	// The old file may be in the middle of a sync: the collector closes it.
	l.f, l.area, l.bytes, l.gen, l.used, l.stale = n.f, n.area, n.bytes, n.gen, n.used, false
	return nil
}

func (l *cursorLog) close() error {
	if l == nil || l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}
