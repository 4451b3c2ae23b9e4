package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// Sizes and marks of a segment file; see doc.go.
const (
	segmentHead   = 64
	segmentSeal   = 48
	formatVersion = 1
)

var (
	headMark = [8]byte{'E', 'W', 'S', 'P', 'O', 'O', 'L', '\n'}
	sealMark = [8]byte{'E', 'W', 'S', 'E', 'A', 'L', 0, '\n'}
)

// segment is one file of the queue. All but no, seed and path are guarded by
// Spool.mu.
type segment struct {
	no   uint32
	seed uint32
	path string

	f             *os.File // open for writing until sealed, then nil
	end           int64    // where the last whole record ends
	synced        int64    // up to here durable, and visible to cursors
	records       int64    // up to end
	syncedRecords int64    // up to synced
	first, last   int64    // append times, unix nanoseconds
	sealed        bool     // its seal is on disk
	damaged       bool     // to be set aside, not removed, when it is spent
	fresh         bool     // its name is not durable in the directory yet
	doubt         error    // why its last sync failed: what is unsynced has to move

	owed map[*account]int64 // bytes by owner; records that moved elsewhere stay in it
}

// start and stop are the positions of the first record and after the last
// durable one.
func (g *segment) start() uint64 { return position(g.no, segmentHead) }
func (g *segment) stop() uint64  { return position(g.no, g.synced) }

// size is the file's size as far as the cap is concerned: room for the seal is
// set aside from the beginning.
func (g *segment) size() int64 { return g.end + segmentSeal }

// position is where a record stands: the segment's number and the offset in it.
func position(no uint32, off int64) uint64 { return uint64(no)<<32 | uint64(off) }

func split(pos uint64) (no uint32, off int64) { return uint32(pos >> 32), int64(uint32(pos)) }

// createSegment makes an empty segment. The caller makes its name durable.
func createSegment(dir string, id uint64, no uint32, now int64) (*segment, error) {
	path := filepath.Join(dir, fmt.Sprintf("%08x%s", no, segmentEnd))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	if _, err := f.WriteAt(encodeHead(id, no, now), 0); err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("create segment: %w", err)
	}
	return &segment{
		no: no, seed: seedOf(id, no), path: path, f: f,
		end: segmentHead, synced: segmentHead, fresh: true,
	}, nil
}

func encodeHead(id uint64, no uint32, now int64) []byte {
	b := make([]byte, segmentHead)
	copy(b, headMark[:])
	binary.LittleEndian.PutUint16(b[8:], formatVersion)
	binary.LittleEndian.PutUint16(b[10:], segmentHead)
	binary.LittleEndian.PutUint32(b[12:], no)
	binary.LittleEndian.PutUint64(b[16:], id)
	binary.LittleEndian.PutUint64(b[24:], uint64(now))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// fileHead is a decoded segment header.
type fileHead struct {
	version uint16
	no      uint32
	id      uint64
}

func decodeHead(b []byte) (fileHead, bool) {
	if len(b) < segmentHead || [8]byte(b) != headMark ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return fileHead{}, false
	}
	return fileHead{
		version: binary.LittleEndian.Uint16(b[8:]),
		no:      binary.LittleEndian.Uint32(b[12:]),
		id:      binary.LittleEndian.Uint64(b[16:]),
	}, true
}

// encodeSeal is what closes a segment: with it, opening a spool need not read
// the records to count them.
func (g *segment) encodeSeal() []byte {
	b := make([]byte, segmentSeal)
	copy(b, sealMark[:])
	binary.LittleEndian.PutUint64(b[8:], uint64(g.records))
	binary.LittleEndian.PutUint64(b[16:], uint64(g.end))
	binary.LittleEndian.PutUint64(b[24:], uint64(g.first))
	binary.LittleEndian.PutUint64(b[32:], uint64(g.last))
	binary.LittleEndian.PutUint32(b[44:], crc32.Update(g.seed, castagnoli, b[:44]))
	return b
}

// decodeSeal fills in what the seal says, and reports whether b, the last bytes
// of a file of the given size, is one.
func (g *segment) decodeSeal(b []byte, size int64) bool {
	if len(b) < segmentSeal || [8]byte(b) != sealMark ||
		binary.LittleEndian.Uint32(b[44:]) != crc32.Update(g.seed, castagnoli, b[:44]) ||
		int64(binary.LittleEndian.Uint64(b[16:])) != size-segmentSeal {
		return false
	}
	g.records = int64(binary.LittleEndian.Uint64(b[8:]))
	g.end = size - segmentSeal
	g.first = int64(binary.LittleEndian.Uint64(b[24:]))
	g.last = int64(binary.LittleEndian.Uint64(b[32:]))
	g.sealed = true
	return true
}

// inspection is what a segment file looks like from outside.
type inspection struct {
	segment *segment
	foreign string // why the file is not ours to read; empty when it is
	badHead bool   // the header is damaged; the records can be read all the same
	gaps    []gap  // damage between sound records; only after a scan
	torn    int64  // bytes after the last whole record, where a seal is missing
	blank   bool   // no record, and nothing that could have been one
}

// inspect reads a segment without changing it. A sealed one is believed
// unless scan is set; one without a seal is always read through.
func inspect(f io.ReaderAt, size int64, id uint64, no uint32, path string, scan bool) inspection {
	g := &segment{no: no, seed: seedOf(id, no), path: path, end: segmentHead}
	in := inspection{segment: g}
	b := make([]byte, segmentHead)
	readAround(f, b, 0)
	h, ok := decodeHead(b)
	switch {
	case ok && h.version != formatVersion:
		in.foreign = fmt.Sprintf("format version %d, this program reads %d", h.version, formatVersion)
	case ok && h.id != id:
		in.foreign = fmt.Sprintf("belongs to spool %016x", h.id)
	case ok && h.no != no:
		in.foreign = fmt.Sprintf("was written as segment %08x", h.no)
	}
	if in.foreign != "" {
		g.end = size
		return in
	}
	in.badHead = !ok
	if size >= segmentHead+segmentSeal {
		seal := make([]byte, segmentSeal)
		readAround(f, seal, size-segmentSeal)
		g.decodeSeal(seal, size)
	}
	if g.sealed && !scan {
		g.synced, g.syncedRecords = g.end, g.records
		return in
	}
	in.scan(f, size)
	return in
}

// scan reads the records themselves.
func (in *inspection) scan(f io.ReaderAt, size int64) {
	g := in.segment
	end := size
	if g.sealed {
		end = g.end
	}
	g.records, g.first, g.last = 0, 0, 0
	sc := newScanner(f, g.seed, segmentHead, end)
	for sc.next() {
		g.count(1, sc.head.time, sc.head.time)
	}
	in.gaps = sc.gaps
	switch {
	case g.sealed && sc.tail < end: // a seal leaves no room for a torn tail
		in.gaps = append(in.gaps, gap{sc.tail, end})
	case !g.sealed:
		g.end, in.torn = sc.tail, max(0, size-sc.tail)
		in.blank = g.records == 0 && (!in.badHead || zeros(f, segmentHead, size))
	}
	g.synced, g.syncedRecords = g.end, g.records
}

// count takes n records with the given append times in.
func (g *segment) count(n, first, last int64) {
	if g.records == 0 {
		g.first = first
	}
	g.records += n
	g.last = last
}

// zeros reports whether a file holds nothing from off on: what a power cut
// leaves of a file whose bytes never reached the disk.
func zeros(f io.ReaderAt, off, size int64) bool {
	b := make([]byte, 64<<10)
	for ; off < size; off += int64(len(b)) {
		w := b[:min(int64(len(b)), size-off)]
		readAround(f, w, off)
		for _, c := range w {
			if c != 0 {
				return false
			}
		}
	}
	return true
}
