package spool_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edgewarden/internal/spool"
)

// TestANewerFormatIsRefused writes the next format's number into a segment and into a cursor: opening must say what to do
// and leave every byte, the lock file's included, as it was; with the old number everything is read.
func TestANewerFormatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, file  string
		at, sum, to int // where the version, and the checksum of the bytes before it, stand
	}{
		{"segment", "00000001.seg", 8, 60, 60},
		{"cursor", "cursor-lake", 24, 28, 28},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir, nil)
			put(t, s, "a")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			setVersion := func(v uint16) {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				binary.LittleEndian.PutUint16(b[c.at:], v)
				putSum(b[c.sum:], b[:c.to])
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			setVersion(2)
			if err := os.WriteFile(filepath.Join(dir, "lock"), []byte("12345\n"), 0o600); err != nil { // it was killed
				t.Fatal(err)
			}
			before := contents(t, dir)
			_, err := spool.Open(spool.Options{Dir: dir, Cursors: []string{"lake"}})
			if !errors.Is(err, spool.ErrNewer) || !strings.Contains(err.Error(), c.file) || !strings.Contains(err.Error(), "run the newer release until its queue is empty") {
				t.Fatalf("open: %v", err)
			}
			after := contents(t, dir)
			for name, b := range before {
				if !bytes.Equal(after[name], b) {
					t.Errorf("%s was changed", name)
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d files, were %d", len(after), len(before))
			}
			if r, err := spool.Verify(dir); err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "format version 2") {
				t.Errorf("verify says %q (%v)", r.Problems, err)
			}
			setVersion(1)
			same(t, drain(t, start(t, dir, nil).Cursor("lake"), 1), []string{"a"})
		})
	}
}

// contents reads all files of a directory.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
