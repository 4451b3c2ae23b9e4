package lake

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tempPrefix begins the name of a file that is not whole yet. Readers see only
// names that parseName knows; a glob of *.parquet does not match either.
const tempPrefix = ".tmp-"

// staleTemp is the age after which a file under a temporary name was left by a
// crash: nothing writes to one file for that long.
const staleTemp = 24 * time.Hour

// publish writes a file durably: fill writes the bytes under a temporary name,
// then they are synced, the file gets its name, and the name is synced. After
// a crash the file is whole or has no name. An existing file is replaced. The
// file's modification time becomes arrived, unless that is zero.
func publish(path string, arrived time.Time, fill func(io.Writer) error) (err error) {
	dir, base := filepath.Split(path)
	f, err := os.CreateTemp(dir, tempPrefix+base+"-*")
	if err != nil {
		return fmt.Errorf("create lake file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	buf := bufio.NewWriterSize(f, 256<<10)
	if err := fill(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return fmt.Errorf("write lake file: %w", err)
	}
	if err := finish(f); err != nil {
		return err
	}
	if !arrived.IsZero() {
		if err := os.Chtimes(f.Name(), time.Time{}, arrived); err != nil {
			return fmt.Errorf("set time of lake file: %w", err)
		}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("name lake file: %w", err)
	}
	return syncDir(dir)
}

// finish makes a temporary file readable for others, syncs and closes it.
func finish(f *os.File) error {
	if err := f.Chmod(0o640); err != nil {
		return fmt.Errorf("set mode of lake file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync lake file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close lake file: %w", err)
	}
	return nil
}

// makeDir creates a folder and syncs its name into its parent.
func makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return fmt.Errorf("create lake folder: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync lake folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync lake folder: %w", err)
	}
	return nil
}

// sweep removes what a crash left in dir under temporary names.
func sweep(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreGone(err)
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < staleTemp {
			continue
		}
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

// ignoreGone turns the error for a file that is not there into nil.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
