package lake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// closedAfter is how long after its end an hour counts as closed: requests are
// logged when they end, so rows of an hour keep coming for a while.
const closedAfter = 2 * time.Minute

// Maintain merges neighbouring files, deletes merged files' sources whose
// grace is over, applies retention and sweeps what crashes left. Call it every
// few minutes, or at least as often as files are to be merged; now is the
// present time. It does nothing while another process has the lake lock. An
// error of one hour does not keep it from the others; calling it again is
// always safe.
func (w *Writer) Maintain(ctx context.Context, now time.Time) error {
	w.maintain.Lock()
	defer w.maintain.Unlock()
	if w.isClosed() {
		return nil
	}
	if mine, err := w.tryLock(); err != nil || !mine {
		return err
	}
	hours, err := listHours(w.o.Dir)
	if err != nil {
		return fmt.Errorf("maintain lake: %w", err)
	}
	var errs []error
	for _, hour := range hours {
		if err := w.maintainHour(ctx, hour, now); err != nil {
			errs = append(errs, fmt.Errorf("maintain lake hour %s: %w", hour, err))
		}
		if ctx.Err() != nil {
			return errors.Join(errs...)
		}
	}
	if err := sweep(w.o.Dir, now); err != nil {
		errs = append(errs, fmt.Errorf("sweep lake: %w", err))
	}
	if err := w.retain(now); err != nil {
		errs = append(errs, fmt.Errorf("retain lake: %w", err))
	}
	return errors.Join(errs...)
}

func (w *Writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

func (w *Writer) maintainHour(ctx context.Context, hour string, now time.Time) error {
	dir := filepath.Join(w.o.Dir, hour)
	names, err := listHour(dir)
	if err != nil {
		return err
	}
	live, covered := splitCovered(names)
	errs := []error{w.dropCovered(dir, covered, now), sweep(dir, now)}
	if len(live) < 2 {
		return errors.Join(errs...)
	}
	files, err := statAll(joinAll(dir, live), live)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	start, _ := parseHour(hour)
	open := now.Before(start.Add(time.Hour + closedAfter))
	for _, group := range planMerges(files, open, w.adjacent) {
		if err := w.mergeGroup(ctx, dir, group, now); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// adjacent reports whether no row can ever come between two files of an hour:
// they touch, or all positions between them were written completely by this
// Writer, none of them in this hour. A gap of which that is not known may
// still be filled by the backlog of the spool.
func (w *Writer) adjacent(a, b name) bool {
	if a.spool != b.spool {
		return false
	}
	if a.to == b.from {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	done := w.done[a.spool]
	return done != nil && done.has(span{a.to, b.from})
}

// mergeGroup publishes the merge of a group and starts the grace of its files.
func (w *Writer) mergeGroup(ctx context.Context, dir string, group []fileInfo, now time.Time) error {
	merged := name{spool: group[0].name.spool, from: group[0].name.from, to: group[len(group)-1].name.to}
	var paths []string
	var arrived time.Time
	for _, f := range group {
		paths = append(paths, f.path)
		if f.arrived.After(arrived) {
			arrived = f.arrived
		}
	}
	err := w.mergeFiles(ctx, filepath.Join(dir, merged.String()), paths, arrived)
	if errors.Is(err, errUnknownColumn) { // more files to read for a while, nothing lost: the newer release merges them
		w.o.Logger.Debug("lake files are left unmerged", "hour", filepath.Base(dir), "reason", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("merge %d lake files: %w", len(paths), err)
	}
	for _, p := range paths {
		w.covered[p] = now
	}
	w.mu.Lock()
	w.heldIn(filepath.Base(dir), merged.spool).add(span{merged.from, merged.to})
	w.mu.Unlock()
	return nil
}

// dropCovered deletes covered files whose grace is over. One that this Writer
// did not merge, such as after a restart, begins its grace now.
func (w *Writer) dropCovered(dir string, covered []name, now time.Time) error {
	var errs []error
	for _, p := range joinAll(dir, covered) {
		since, known := w.covered[p]
		if !known {
			w.covered[p] = now
			continue
		}
		if now.Sub(since) < w.o.Grace {
			continue
		}
		if err := ignoreGone(os.Remove(p)); err != nil {
			errs = append(errs, fmt.Errorf("delete merged lake file: %w", err))
			continue
		}
		delete(w.covered, p)
	}
	return errors.Join(errs...)
}

func joinAll(dir string, names []name) []string {
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = filepath.Join(dir, n.String())
	}
	return paths
}

// retain deletes the files that arrived too long ago, then the ones that
// arrived first until the rest fits, and hour folders that became empty.
func (w *Writer) retain(now time.Time) error {
	if w.o.RetainFor == 0 && w.o.RetainBytes == 0 {
		return nil
	}
	files, total, err := w.allFiles()
	if err != nil {
		return err
	}
	sort.SliceStable(files, func(i, j int) bool { return files[i].arrived.Before(files[j].arrived) })
	var errs []error
	var removed int
	for _, f := range files {
		old := w.o.RetainFor > 0 && now.Sub(f.arrived) > w.o.RetainFor
		full := w.o.RetainBytes > 0 && total > w.o.RetainBytes
		if !old && !full {
			break
		}
		if err := ignoreGone(os.Remove(f.path)); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
		total -= f.size
		delete(w.covered, f.path)
		os.Remove(filepath.Dir(f.path)) // only an empty folder can be removed
	}
	if removed > 0 {
		w.o.Logger.Info("lake retention removed files", "files", removed)
	}
	return errors.Join(errs...)
}

// allFiles lists every lake file, covered ones too, and their size together.
func (w *Writer) allFiles() (all []fileInfo, total int64, err error) {
	hours, err := listHours(w.o.Dir)
	if err != nil {
		return nil, 0, err
	}
	for _, hour := range hours {
		dir := filepath.Join(w.o.Dir, hour)
		names, err := listHour(dir)
		if err != nil {
			return nil, 0, err
		}
		files, err := statAll(joinAll(dir, names), names)
		if err != nil {
			return nil, 0, err
		}
		for _, f := range files {
			total += f.size
		}
		all = append(all, files...)
	}
	return all, total, nil
}
