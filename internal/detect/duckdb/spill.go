package duckdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// spillName is the pattern of the folders that engines spill to.
const spillName = "edgewarden-spill-*"

// spillFactor is how many times its memory a query may have on disk.
const spillFactor = 4

// spill is the folder of one engine for what does not fit in memory. Its lock tells it from one that a killed process left
// behind: the kernel gives that up, however the process ended.
type spill struct {
	path string // empty: there is none
	lock *os.File
}

// newSpill makes a folder in dir, and removes what killed processes left there.
func newSpill(dir string) (spill, error) {
	if left, err := filepath.Glob(filepath.Join(dir, spillName)); err == nil {
		for _, path := range left {
			if f, err := lockFolder(path); err == nil {
				(&spill{path, f}).remove() // what cannot be removed is in nobody's way but the disk's
			}
		}
	}
	path, err := os.MkdirTemp(dir, spillName)
	if err != nil {
		return spill{}, err
	}
	f, err := lockFolder(path)
	if err != nil { // another engine that begins took it for a left one
		return spill{}, errors.Join(err, os.RemoveAll(path))
	}
	return spill{path, f}, nil
}

func lockFolder(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

func (s *spill) remove() error {
	if s.path == "" {
		return nil
	}
	return errors.Join(os.RemoveAll(s.path), s.lock.Close())
}
