package lake

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"edgewarden/internal/record"
)

// source is one file in a merge and the rows of it that are read but not
// merged yet.
type source struct {
	r    *reader
	recs []record.Record
	next int // into recs
	n    int // rows in recs
}

// advance moves to the next row; io.EOF after the last.
func (s *source) advance() error {
	if s.next++; s.next < s.n {
		return nil
	}
	n, err := s.r.read(s.recs)
	s.next, s.n = 0, n
	return err
}

func (s *source) row() *record.Record { return &s.recs[s.next] }

// sources is a heap by the row each source stands at.
type sources []*source

func (h sources) Len() int           { return len(h) }
func (h sources) Less(i, j int) bool { return compareRows(h[i].row(), h[j].row()) < 0 }
func (h sources) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *sources) Push(x any)        { *h = append(*h, x.(*source)) }
func (h *sources) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// mergeBuffer is how many rows of each source are in memory. Sources overlap
// little in time, so most of them wait at their first row.
const mergeBuffer = 256

// errUnknownColumn: a merge would lose a column that this release does not know.
var errUnknownColumn = errors.New("a newer release wrote a column that this one does not know")

// merge reads files that are each in time order and writes their rows, in time
// order, as one file to w. It returns the number of rows.
func merge(ctx context.Context, e *encoder, w io.Writer, paths []string) (rows int, err error) {
	var h sources
	defer func() {
		for _, s := range h {
			s.r.close()
		}
	}()
	for _, p := range paths {
		r, err := openReader(p)
		if err != nil {
			return 0, err
		}
		if slices.Contains(r.fields, -1) {
			r.close()
			return 0, fmt.Errorf("%w: %s", errUnknownColumn, p)
		}
		s := &source{r: r, recs: make([]record.Record, mergeBuffer)}
		if err := s.advance(); errors.Is(err, io.EOF) {
			r.close()
			continue
		} else if err != nil {
			r.close()
			return 0, fmt.Errorf("read lake file %s: %w", p, err)
		}
		h = append(h, s)
	}
	heap.Init(&h)
	e.reset(w)
	if rows, err = drain(ctx, e, &h); err != nil {
		return rows, err
	}
	return rows, e.close()
}

// drain moves the rows of the heap's sources, in order, into e.
func drain(ctx context.Context, e *encoder, h *sources) (rows int, err error) {
	// Rows are copied out of their source, because it overwrites them when it
	// reads on; the strings in them stay valid.
	out := make([]record.Record, 0, chunkRows)
	ptrs := make([]*record.Record, 0, chunkRows)
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		ptrs = ptrs[:0]
		for i := range out {
			ptrs = append(ptrs, &out[i])
		}
		rows += len(out)
		out = out[:0]
		return e.write(ptrs)
	}
	for h.Len() > 0 {
		s := (*h)[0]
		out = append(out, *s.row())
		switch err := s.advance(); {
		case errors.Is(err, io.EOF):
			heap.Pop(h)
			if err := s.r.close(); err != nil {
				return rows, fmt.Errorf("close lake file: %w", err)
			}
		case err != nil:
			return rows, fmt.Errorf("read lake file %s: %w", s.r.file.Name(), err)
		default:
			heap.Fix(h, 0)
		}
		if len(out) == cap(out) {
			if err := flush(); err != nil {
				return rows, err
			}
		}
	}
	return rows, flush()
}

// mergeFiles publishes the merge of paths as path. Its modification time is
// that of its youngest source: retention goes by arrival, and a merge brings
// nothing new.
func (w *Writer) mergeFiles(ctx context.Context, path string, paths []string, arrived time.Time) error {
	e := w.encoder()
	if err := publish(path, arrived, func(out io.Writer) error {
		_, err := merge(ctx, e, out, paths)
		return err
	}); err != nil {
		return err // e is dropped: its state is unknown
	}
	w.release(e)
	return nil
}

// fileInfo is a lake file with what the disk says of it.
type fileInfo struct {
	name    name
	path    string
	size    int64
	arrived time.Time
}

// statAll looks up sizes and times; files that went away are left out.
func statAll(paths []string, names []name) ([]fileInfo, error) {
	files := make([]fileInfo, 0, len(names))
	for i, n := range names {
		info, err := os.Stat(paths[i])
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, fileInfo{n, paths[i], info.Size(), info.ModTime()})
	}
	return files, nil
}
