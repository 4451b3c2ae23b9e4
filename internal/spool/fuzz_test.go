package spool_test

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"edgewarden/internal/spool"
)

// FuzzSegmentReader puts any bytes in a segment's place. Reading never panics
// and never returns a record whose checksums fail, which is checked here from
// the format as doc.go describes it; a cursor and Dump see the same records.
func FuzzSegmentReader(f *testing.F) {
	const id = 0x00c0ffee00c0ffee
	var segment []byte
	for _, closed := range []bool{false, true} {
		dir := f.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "id"), []byte("00c0ffee00c0ffee\n"), 0o600); err != nil {
			f.Fatal(err)
		}
		s := start(f, dir, nil)
		put(f, s, "one", "", `{"status":200}`)
		if closed {
			if err := s.Close(); err != nil {
				f.Fatal(err)
			}
		}
		b, err := os.ReadFile(filepath.Join(dir, "00000001.seg"))
		if err != nil {
			f.Fatal(err)
		}
		segment = b
		f.Add(b, false)
		f.Add(b[:len(b)-5], false)
		f.Add(append(b[:90:90], b[80:]...), true)
	}
	f.Add([]byte{}, true)
	f.Add(make([]byte, 5000), true)
	f.Add(append(segment[:64:64], make([]byte, 3000)...), true)

	dir := filepath.Join(fastDir(f), "fuzz")
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	seed := binary.LittleEndian.AppendUint64(nil, id)
	seed = binary.LittleEndian.AppendUint32(seed, 1)
	s := crc32.Checksum(seed, castagnoli)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend { // the checksums no mutation would hit: the record at 64 becomes valid
			mendRecord(b, s)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"id": []byte("00c0ffee00c0ffee\n"), "00000001.seg": b} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		last := int64(0)
		check := func(it spool.Item) error {
			off := int64(it.Position & 0xffffffff)
			end := off + recordHead + int64(len(it.Payload))
			if it.Position>>32 != 1 || off < last || end > int64(len(b)) {
				t.Fatalf("record at %x of %d bytes in a file of %d after one that ended at %d", it.Position, len(it.Payload), len(b), last)
			}
			head := b[off : off+recordHead]
			if binary.LittleEndian.Uint32(head) != crc32.Update(s^uint32(off), castagnoli, head[4:]) ||
				binary.LittleEndian.Uint32(head[8:]) != crc32.Checksum(it.Payload, castagnoli) ||
				string(b[off+recordHead:end]) != string(it.Payload) {
				t.Fatalf("record at %x fails its checksum", it.Position)
			}
			last = end
			return nil
		}
		dumped := 0
		err := spool.Dump(dir, func(it spool.Item) error { dumped++; return check(it) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := spool.Verify(dir); err != nil {
			t.Fatal(err)
		}
		sp := start(t, dir, nil)
		last = 0
		read := 0
		for sp.Stats().Pending["lake"] > 0 {
			ctx, cancel := contextFor(readTimeout)
			batch, err := sp.Cursor("lake").Next(ctx, 10, 0)
			cancel()
			if batch == nil { // what was pending turned out to be damaged
				if sp.Stats().Pending["lake"] > 0 {
					t.Fatalf("pending records do not come: %v", err)
				}
				break
			}
			for _, it := range batch.Items {
				read++
				if err := check(it); err != nil {
					t.Fatal(err)
				}
			}
			ack(t, sp.Cursor("lake"), batch)
		}
		if read != dumped {
			t.Fatalf("a cursor read %d records, dump %d", read, dumped)
		}
		if err := sp.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// mendRecord makes the bytes at 64 a record of at most 100 bytes.
func mendRecord(b []byte, seed uint32) {
	if len(b) < segmentHead+recordHead {
		return
	}
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	r := b[segmentHead:]
	n := min(100, len(r)-recordHead)
	binary.LittleEndian.PutUint32(r[4:], uint32(n))
	binary.LittleEndian.PutUint32(r[8:], crc32.Checksum(r[recordHead:][:n], castagnoli))
	binary.LittleEndian.PutUint32(r, crc32.Update(seed^segmentHead, castagnoli, r[4:recordHead]))
}

const readTimeout = 50e6 // 50 ms
