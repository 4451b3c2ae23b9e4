package lake

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrNewer says that a release whose lake this one does not know wrote to the directory. Nothing was changed.
var ErrNewer = errors.New("lake was written by a newer release")

// layoutVersion rises when a release of today could no longer tell which rows a lake holds: other folders, other names, another
// meaning of a column. A new column does not raise it: readers find columns by name, and a merge leaves files with columns it
// does not know alone.
const layoutVersion = 1

// versionName is the file that holds the version. A lake without one is of version 1.
const versionName = ".version"

// checkVersion refuses a lake of a newer release.
func checkVersion(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, versionName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || v < 1 {
		return fmt.Errorf("%s says %q: write %d into it if only this release ever wrote to the lake", filepath.Join(dir, versionName), b[:min(len(b), 20)], layoutVersion)
	}
	if v > layoutVersion {
		return fmt.Errorf("%w: %s has version %d, this release reads %d; use the newer release on it, or give this one another --lake", ErrNewer, dir, v, layoutVersion)
	}
	return nil
}

// claimVersion checks the version and writes ours where there is none.
func claimVersion(dir string) error {
	if err := checkVersion(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, versionName)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return publish(path, time.Time{}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, layoutVersion)
		return err
	})
}
