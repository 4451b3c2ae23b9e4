package lake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockName is the file whose advisory lock makes one process the one that
// compacts. The kernel gives it up with the process, however it ends.
const lockName = ".lock"

// tryLock takes the lake lock if it is free; it reports whether this Writer
// has it. w.maintain is held.
func (w *Writer) tryLock() (bool, error) {
	if w.lock != nil {
		return true, nil
	}
	f, err := os.OpenFile(filepath.Join(w.o.Dir, lockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return false, fmt.Errorf("lock lake: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return false, fmt.Errorf("lock lake: %w", err)
	}
	w.lock = f
	return true, nil
}

// unlock gives the lake lock up. w.maintain is held.
func (w *Writer) unlock() error {
	if w.lock == nil {
		return nil
	}
	err := w.lock.Close()
	w.lock = nil
	return err
}
