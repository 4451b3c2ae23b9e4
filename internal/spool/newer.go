package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// ErrNewer says that a file in the directory was written by a release whose format this one does not know. Nothing was changed.
// Going on beside such files would acknowledge what is in them, and the release that can read them would delete it.
var ErrNewer = errors.New("spool was written by a newer release")

// refuseNewer looks at the heads of all files before anything in the directory is touched.
func refuseNewer(dir string) error {
	l, err := list(dir)
	if err != nil {
		return err
	}
	for _, sf := range l.segments {
		h, ok := decodeHead(headOf(sf.path, segmentHead))
		if ok && h.version > formatVersion {
			return newer(sf.path, uint32(h.version))
		}
	}
	for _, name := range l.cursors {
		path := filepath.Join(dir, cursorStart+name)
		if v := cursorVersion(path); v > formatVersion {
			return newer(path, v)
		}
	}
	return nil
}

func newer(path string, version uint32) error {
	return fmt.Errorf("%w: %s has format %d, this release reads %d; run the newer release until its queue is empty, or give this one another --spool and keep this directory",
		ErrNewer, filepath.Base(path), version, formatVersion)
}

// headOf is the first n bytes of a file; what cannot be read is zero and left to whoever opens the file to use it.
func headOf(path string, n int) []byte {
	b := make([]byte, n)
	f, err := os.Open(path)
	if err != nil {
		return b
	}
	defer f.Close()
	_, _ = io.ReadFull(f, b)
	return b
}

// cursorVersion is the highest format version of a cursor file's areas; 0 when neither can be read.
func cursorVersion(path string) (version uint32) {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0
	}
	for _, at := range []int64{0, st.Size() / 2} {
		b := make([]byte, areaHead)
		readAround(f, b, at)
		if [8]byte(b) == areaMark && binary.LittleEndian.Uint32(b[28:]) == crc32.Checksum(b[:28], castagnoli) {
			version = max(version, binary.LittleEndian.Uint32(b[24:]))
		}
	}
	return version
}
