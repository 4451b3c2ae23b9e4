package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A tool that looks whether the lock is held takes it for some microseconds
// (see locked), so one refusal is no proof of another holder.
const (
	lockTries = 10
	lockPause = 10 * time.Millisecond
)

// takeLock takes the directory's lock and writes our process id in it. The
// kernel drops the lock when the process ends, however it ends; but only a
// process that closed the spool leaves the file empty, which is what orderly
// says.
func takeLock(dir string) (_ *os.File, orderly bool, _ error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("open spool %s: it has to be a directory this user can write: %w", dir, err)
	}
	for try := 1; ; try++ {
		err = flock(f, syscall.LOCK_EX)
		if !errors.Is(err, syscall.EWOULDBLOCK) || try == lockTries {
			break
		}
		time.Sleep(lockPause)
	}
	if err == nil {
		orderly = holder(f) == nobody
		err = writePID(f)
	} else if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s is held by process %s; stop it or use another directory", ErrLocked, dir, holder(f))
	} else {
		err = fmt.Errorf("lock spool %s: %w", dir, err)
	}
	if err != nil {
		_ = f.Close()
		return nil, false, err
	}
	return f, orderly, nil
}

// dropLock empties the lock file and lets go of it.
func dropLock(f *os.File) error {
	return errors.Join(f.Truncate(0), f.Close())
}

// locked reports whether a process has the directory open, without getting in
// its way. A lock file that is missing or empty was left in good order.
func locked(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	if holder(f) == nobody {
		return false
	}
	return errors.Is(flock(f, syscall.LOCK_SH), syscall.EWOULDBLOCK)
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// writePID tells a second process whom to stop. A full disk does not keep the
// spool from opening: the lock is held either way.
func writePID(f *os.File) error {
	err := f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil && !diskFull(err) {
		return fmt.Errorf("write spool lock: %w", err)
	}
	return nil
}

// nobody is what an empty lock file says.
const nobody = "unknown"

// holder reads the process id in the lock file.
func holder(f *os.File) string {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return pid
	}
	return nobody
}
