package spool_test

import (
	"syscall"
	"testing"
)

// mountSmall puts a file system of 1 MiB on dir; it needs root.
func mountSmall(dir string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=700") }

func unmount(t *testing.T, dir string) {
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		t.Errorf("unmount: %v", err)
	}
}
