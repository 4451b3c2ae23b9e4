package ship

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// DeadLetter is one record a sink will never accept, as it stands in a
// dead-letter file: one JSON object on one line.
type DeadLetter struct {
	Version  int       `json:"version"`  // 1; a letter without one is of version 1
	Time     time.Time `json:"time"`     // when it was refused
	Sink     string    `json:"sink"`     // which sink refused it
	Reason   string    `json:"reason"`   // why
	Position string    `json:"position"` // spool id, dash, 16 hex digits
	Envelope []byte    `json:"envelope"` // what the spool held; base64 in the file
}

// letterVersion is the version of the dead letters this release writes.
const letterVersion = 1

const (
	letterSuffix = ".ndjson"
	replaySuffix = ".replay" // a file Replay has taken; writers begin a new one
	letterLock   = ".lock"
)

// deadLetters appends the letters of one sink to a file a day. Each append
// opens and closes the file under the directory's lock: letters are rare, and
// so a replay in another process can take files away at any time. All files of
// the directory together do not grow beyond max bytes, so that a flood of
// refused lines cannot fill the disk that the spool needs.
type deadLetters struct {
	dir, sink string
	max       int64
}

// write appends letters and syncs them. The first kept of them are in the file
// then; there is no room for the others. After an error some may be in it.
func (d *deadLetters) write(letters []DeadLetter) (kept int, err error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	ends := make([]int, len(letters))
	for i, l := range letters {
		l.Version = letterVersion
		l.Reason = strings.ToValidUTF8(l.Reason, "\uFFFD")
		if err := enc.Encode(l); err != nil {
			return 0, fmt.Errorf("encode dead letter: %w", err)
		}
		ends[i] = buf.Len()
	}
	name := d.sink + "-" + letters[0].Time.UTC().Format("20060102") + letterSuffix
	if kept, err = d.append(name, buf.Bytes(), ends); err != nil {
		return 0, fmt.Errorf("write dead letters: %w", err)
	}
	return kept, nil
}

// append appends whole lines, as many as there is room for, to a file and
// syncs it and its name. ends are where the lines end.
func (d *deadLetters) append(name string, lines []byte, ends []int) (kept int, err error) {
	unlock, err := lockLetters(d.dir)
	if err != nil {
		return 0, err
	}
	defer unlock()
	used, err := letterBytes(d.dir)
	if err != nil {
		return 0, err
	}
	for kept < len(ends) && used+int64(ends[kept]) <= d.max {
		kept++
	}
	if kept == 0 {
		return 0, nil
	}
	return kept, appendFile(d.dir, name, lines[:ends[kept-1]])
}

// letterBytes is the size of all files of dead letters.
func letterBytes(dir string) (total int64, err error) {
	files, err := letterFiles(dir, letterSuffix, replaySuffix)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if fi, err := os.Stat(f); err == nil { // else a replay has just removed it
			total += fi.Size()
		}
	}
	return total, nil
}

// appendFile appends whole lines to a file and syncs it and its name.
func appendFile(dir, name string, lines []byte) (err error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := wholeLines(f)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(lines, end); err != nil {
		f.Truncate(end)
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(dir)
}

// wholeLines cuts a line that a crash left without its end, which was never
// acknowledged, and returns the length of the rest.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 4096)
	for at := end; at > 0; {
		n := min(at, int64(len(buf)))
		at -= n
		if _, err := f.ReadAt(buf[:n], at); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			end = at + int64(i) + 1
			return end, f.Truncate(end)
		}
	}
	return 0, f.Truncate(0)
}

// lockLetters takes the lock of the directory, which it creates.
func lockLetters(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, letterLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadDeadLetters calls fn for every dead letter in dir, oldest file first,
// until fn returns an error. A directory that does not exist holds none. A
// line that is no dead letter is an error that names it; the others are still
// read.
func ReadDeadLetters(dir string, fn func(DeadLetter) error) error {
	files, err := letterFiles(dir, letterSuffix, replaySuffix)
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	var bad []error
	for _, f := range files {
		n := 0
		err := scanLetters(f, func(l DeadLetter, line []byte) error {
			n++
			if err := l.fault(f, n); err != nil {
				bad = append(bad, err)
				return nil
			}
			return fn(l)
		})
		if err != nil {
			return errors.Join(append(bad, err)...)
		}
	}
	return errors.Join(bad...)
}

// fault says why the letter at a line of a file cannot be used; nil when it can.
func (l *DeadLetter) fault(path string, line int) error {
	switch {
	case l.Version > letterVersion:
		return fmt.Errorf("%s line %d was written by a newer release (version %d, this one reads %d): replay it with that one", path, line, l.Version, letterVersion)
	case l.Position == "":
		return fmt.Errorf("%s line %d is no dead letter", path, line)
	}
	return nil
}

// letterFiles lists the files with one of the suffixes, in order.
func letterFiles(dir string, suffixes ...string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		for _, s := range suffixes {
			if strings.HasSuffix(e.Name(), s) {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	sort.Strings(files)
	return files, nil
}

// scanLetters calls fn for each line of a file, until fn returns an error. A
// line that is no dead letter comes as the zero letter. A last line without an
// end was never acknowledged and is passed over. A file that is gone is empty:
// a replay took it.
func scanLetters(path string, fn func(l DeadLetter, line []byte) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read dead letters: %w", err)
		}
		var l DeadLetter
		if json.Unmarshal(line, &l) != nil && l.Version <= letterVersion {
			l = DeadLetter{}
		}
		if err := fn(l, line); err != nil {
			return err
		}
	}
}
