package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Names in the directory; see doc.go.
const (
	lockName    = "lock"
	idName      = "id"
	cursorStart = "cursor-"
	tempEnd     = ".tmp"
	segmentEnd  = ".seg"
	damagedEnd  = ".damaged"
)

var segmentName = regexp.MustCompile(`^([0-9a-f]{8})\.(seg|damaged)$`)

// listing is what a directory holds.
type listing struct {
	segments []segmentFile // in order of number
	cursors  []string      // names, without the file's prefix
	temps    []string      // left by a crash in the middle of a rename
}

// segmentFile is a segment's place on disk.
type segmentFile struct {
	no      uint32
	path    string
	damaged bool // set aside
}

// list reads the directory. Files of other shapes are none of our business.
func list(dir string) (listing, error) {
	var l listing
	entries, err := os.ReadDir(dir)
	if err != nil {
		return l, fmt.Errorf("list spool: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if m := segmentName.FindStringSubmatch(name); m != nil {
			no, err := strconv.ParseUint(m[1], 16, 32)
			if err == nil {
				l.segments = append(l.segments, segmentFile{uint32(no), filepath.Join(dir, name), m[2] == "damaged"})
			}
			continue
		}
		if strings.HasSuffix(name, tempEnd) {
			l.temps = append(l.temps, filepath.Join(dir, name))
		} else if c, ok := strings.CutPrefix(name, cursorStart); ok && validName(c) {
			l.cursors = append(l.cursors, c)
		}
	}
	slices.SortFunc(l.segments, func(a, b segmentFile) int {
		if a.no != b.no {
			return int(int64(a.no) - int64(b.no))
		}
		return strings.Compare(b.path, a.path) // .seg before .damaged
	})
	return l, nil
}

// writeFile puts b at path as a whole or not at all: temporary file, sync,
// rename, sync of the directory.
func writeFile(path string, b []byte) error {
	temp := path + tempEnd
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes creations, renames and removals in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// diskFull reports whether err means that there is no room, as opposed to a
// disk that fails. EFBIG is what a file size limit gives.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// gone reports whether err means that the file is not there.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
