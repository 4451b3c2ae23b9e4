package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The mode of a page: it holds addresses, so nobody but its owner reads it, unless a page that is replaced lets its group.
const (
	fileMode = 0o600
	mostMode = 0o640
)

// CheckFile says, before any work is done, why a page cannot be written to path.
func CheckFile(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file: a page replaces what is there whole", path)
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("the folder of the page: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", filepath.Dir(path))
	}
	return nil
}

// WriteFile puts a page into a file, whole or not at all: a reader meets the old page or the new one.
func WriteFile(path string, page []byte) (err error) {
	mode := fs.FileMode(fileMode)
	if info, statErr := os.Stat(path); statErr == nil {
		mode |= info.Mode().Perm() & mostMode
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing the page: %w", err), os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(page)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
