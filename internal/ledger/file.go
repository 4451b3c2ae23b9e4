package ledger

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// fileStore is a file of JSON lines.
type fileStore struct {
	mu sync.Mutex // flock does not exclude goroutines that share a descriptor
	f  *os.File
}

// OpenFile opens or creates a ledger file of JSON lines, mode 0600; appends are one write and an fsync. A torn last line is cut off when appending.
// Several processes may have it open; each append takes a lock on the file (flock). A file that everyone may
// read or write is refused; a group's rights are let be, since a Kubernetes volume with fsGroup sets them.
// A file that was moved away, as log rotation does, is opened anew under its name by the next append.
func OpenFile(path string) (Store, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return &fileStore{f: f}, nil
}

// openFile opens or creates the file and refuses one that cannot be a ledger.
func openFile(path string) (*os.File, error) {
	_, serr := os.Stat(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening ledger: %w", err)
	}
	if errors.Is(serr, os.ErrNotExist) {
		if err := syncDir(filepath.Dir(path)); err != nil {
			f.Close()
			return nil, fmt.Errorf("opening ledger: %w", err)
		}
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		err = fmt.Errorf("%s is mode %04o and open to everyone: chmod 600 it", path, info.Mode().Perm())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening ledger: %w", err)
	}
	return f, nil
}

// follow opens the file anew when its name has come to stand for another file or none: what is written to a file
// without a name is lost.
func (s *fileStore) follow() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("reading ledger: %w", err)
	}
	if named, err := os.Stat(s.f.Name()); err == nil && os.SameFile(have, named) {
		return nil
	}
	f, err := openFile(s.f.Name())
	if err != nil {
		return err
	}
	s.f.Close()
	s.f = f
	return nil
}

// Append writes the events as whole lines, in one write, and syncs. After an error
// the file is cut back to what it was.
func (s *fileStore) Append(ctx context.Context, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var lines []byte
	for _, e := range events {
		lines = append(lines, e.line()...)
	}
	if err := s.follow(); err != nil {
		return err
	}
	return s.locked(syscall.LOCK_EX, func() error {
		end, err := s.cutTornTail()
		if err != nil {
			return err
		}
		if _, err = s.f.Write(lines); err == nil {
			err = s.f.Sync()
		}
		if err != nil {
			return errors.Join(fmt.Errorf("writing %s: %w", s.f.Name(), err), s.f.Truncate(end))
		}
		return nil
	})
}

// cutTornTail removes what follows the last newline: a line whose writer died
// before it could be acknowledged. It returns the file's length.
func (s *fileStore) cutTornTail() (int64, error) {
	info, err := s.f.Stat()
	if err != nil {
		return 0, fmt.Errorf("reading ledger: %w", err)
	}
	size := info.Size()
	buf := make([]byte, 4096)
	for end := size; ; {
		start := max(0, end-int64(len(buf)))
		chunk := buf[:end-start]
		if _, err := s.f.ReadAt(chunk, start); err != nil {
			return 0, fmt.Errorf("reading ledger: %w", err)
		}
		whole := start + int64(bytes.LastIndexByte(chunk, '\n')) + 1
		switch {
		case whole == size:
			return size, nil
		case whole > start || start == 0:
			if err := s.f.Truncate(whole); err != nil {
				return 0, fmt.Errorf("cutting torn line: %w", err)
			}
			return whole, nil
		}
		end = start
	}
}

// Since reads the file under a shared lock. A torn last line is passed over in
// silence; any other line that is no record makes the error an ErrDamaged.
func (s *fileStore) Since(ctx context.Context, t time.Time) ([]Event, error) {
	t = t.Truncate(time.Microsecond) // as stored times are
	var events []Event
	var faults []error
	err := s.locked(syscall.LOCK_SH, func() error {
		info, err := s.f.Stat()
		if err != nil {
			return fmt.Errorf("reading ledger: %w", err)
		}
		r := bufio.NewReaderSize(io.NewSectionReader(s.f, 0, info.Size()), 1<<16)
		for n := 1; ; n++ {
			line, err := readLine(r)
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("reading ledger: %w", err)
			}
			if before(line, t) {
				continue
			}
			e, err := decode(line)
			if err != nil {
				faults = append(faults, fmt.Errorf("%w: %s line %d: %w", ErrDamaged, s.f.Name(), n, err))
			} else if !e.Time.Before(t) {
				events = append(events, e)
			}
		}
	})
	return events, errors.Join(append(faults, err)...)
}

// readLine gives the next line, valid until the next call; io.EOF stands for the
// end, a torn line included.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	long := bytes.Clone(line)
	rest, err := r.ReadBytes('\n')
	return append(long, rest...), err
}

// before reads the time of a line of ours without decoding it, which is what makes
// reading the last days of a year's file quick. Anything unexpected is decoded.
func before(line []byte, t time.Time) bool {
	_, rest, ok := bytes.Cut(line[:min(len(line), 128)], []byte(`"time":"`))
	text, _, ok2 := bytes.Cut(rest, []byte(`"`))
	if t.IsZero() || !ok || !ok2 {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return err == nil && at.Before(t)
}

// decode is strict: a key that Event does not have was not covered by the hash.
func decode(line []byte) (Event, error) {
	var e Event
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Event{}, cmp.Or(newer(line), err)
	}
	if err := newer(line); err != nil {
		return Event{}, err
	}
	if canonical := e.line(); !bytes.Equal(canonical, line) {
		return Event{}, errors.New("not in the form it was written in")
	}
	return e, nil
}

// Close closes the file.
func (s *fileStore) Close() error { return s.f.Close() }

// locked runs do with the file locked against other processes and goroutines.
func (s *fileStore) locked(how int, do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd := int(s.f.Fd())
	for {
		err := syscall.Flock(fd, how)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("locking ledger: %w", err)
		}
	}
	defer syscall.Flock(fd, syscall.LOCK_UN)
	return do()
}

// syncDir makes a new name in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
