package spool

import (
	"errors"
	"os"
	"syscall"
)

// dataSync makes the bytes and the size of f durable. fdatasync leaves out the
// times of the file, which saves a journal commit when nothing else changed.
func dataSync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
