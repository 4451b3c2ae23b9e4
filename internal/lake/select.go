package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// Select returns the Parquet files a reader has to read to see every row with
// an event time in [from, to): the files of those UTC hours, without any that
// another file covers. Paths are absolute and ordered by hour, then by name. A
// file may hold rows outside [from, to), so the reader still compares times.
//
// Select may run beside a writer and a merge: what it returns holds each row
// once, and the files stay for at least [Options.Grace] after it was listed.
// Retention alone removes files without grace; a reader that then misses one
// selects again. An empty selection is no error. A lake that does not exist is
// an error that wraps [fs.ErrNotExist], one of a newer release an [ErrNewer].
func Select(dir string, from, to time.Time) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("select lake files: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("select lake files: %w", err)
	}
	if err := checkVersion(dir); err != nil {
		return nil, fmt.Errorf("select lake files: %w", err)
	}
	var paths []string
	for _, e := range entries {
		hour, ok := parseHour(e.Name())
		if !ok || !hour.Add(time.Hour).After(from) || !hour.Before(to) {
			continue
		}
		names, err := listHour(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("select lake files: %w", err)
		}
		live, _ := splitCovered(names)
		for _, n := range live {
			paths = append(paths, filepath.Join(dir, e.Name(), n.String()))
		}
	}
	return paths, nil
}

// listHour returns the names of the lake's files in one hour folder, ordered
// by spool and position. A folder that went away meanwhile is empty.
func listHour(dir string) ([]name, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := make([]name, 0, len(entries))
	for _, e := range entries {
		if n, ok := parseName(e.Name()); ok {
			names = append(names, n)
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := names[i], names[j]
		switch {
		case a.spool != b.spool:
			return a.spool < b.spool
		case a.sum != b.sum:
			return a.sum < b.sum
		case a.from != b.from:
			return a.from < b.from
		}
		return a.to > b.to // the wider first, so that it is seen before what it covers
	})
	return names, nil
}

// splitCovered parts ordered names into those a reader needs and those that
// another one covers.
func splitCovered(names []name) (live, covered []name) {
	for _, n := range names {
		// Ordered by from, wider first: only the last live file can cover n,
		// because live files of one spool never overlap in part.
		if len(live) > 0 && live[len(live)-1].covers(n) {
			covered = append(covered, n)
			continue
		}
		live = append(live, n)
	}
	return live, covered
}
