package spool

import (
	"fmt"
	"os"
	"path/filepath"
)

// Report is what Verify found.
type Report struct {
	Segments, Records int
	Bytes             int64
	Problems          []string // empty when sound
}

// Verify reads a spool directory, every byte of it, without changing it,
// whether or not another process has it open. While one has, an unfinished
// tail is no problem; otherwise it is one, which the next open mends. A segment
// that was set aside stays a problem until someone removes the file.
func Verify(dir string) (Report, error) {
	var r Report
	l, err := list(dir)
	if err != nil {
		return r, err
	}
	id, err := readID(dir, l)
	if err != nil {
		return r, err
	}
	busy := locked(dir)
	bad := r.bad
	if id == 0 && len(l.segments) > 0 {
		bad(idName, "missing, and no segment header tells it: records cannot be checked")
	}
	var torn []segmentFile // segments with a tail that no later seal has shown to be damage yet
	err = eachSegment(l, id, true, func(f *os.File, sf segmentFile, in inspection) error {
		r.Segments++
		r.Records += int(in.segment.records)
		r.Bytes += in.segment.size()
		switch {
		case in.foreign != "":
			bad(sf.path, "%s", in.foreign)
			return nil
		case sf.damaged:
			bad(sf.path, "set aside as damaged; %d records in it can be read; remove it when nobody needs it", in.segment.records)
			return nil
		case in.badHead && !in.blank:
			bad(sf.path, "header damaged; the records can be read without it")
		}
		for _, g := range in.gaps {
			bad(sf.path, "damaged from byte %d to %d", g.from, g.to)
		}
		if in.torn > 0 {
			torn = append(torn, sf)
		} else if in.segment.sealed {
			r.tails(torn, id)
			torn = nil
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	if !busy {
		r.tails(torn, id)
	}
	for _, name := range l.cursors {
		path := filepath.Join(dir, cursorStart+name)
		log, _, ok, err := openCursorLog(path, id, false)
		if err != nil {
			return r, err
		}
		_ = log.close()
		if v := cursorVersion(path); !ok && v > formatVersion {
			bad(path, "format version %d, this program reads %d", v, formatVersion)
		} else if !ok {
			bad(path, "cannot be read; this cursor starts again at the oldest record")
		}
	}
	return r, nil
}

// bad notes a problem of a file.
func (r *Report) bad(path, format string, args ...any) {
	r.Problems = append(r.Problems, filepath.Base(path)+": "+fmt.Sprintf(format, args...))
}

// tails notes the segments that still have a tail now that a writer, if there
// is one, had time to finish what it was doing.
func (r *Report) tails(torn []segmentFile, id uint64) {
	_ = eachSegment(listing{segments: torn}, id, false, func(_ *os.File, sf segmentFile, in inspection) error {
		if in.torn > 0 {
			r.bad(sf.path, "%d bytes after the last whole record: the tail is torn or damaged", in.torn)
		}
		return nil
	})
}

// Dump calls fn for every sound record in the directory, in order, without
// changing anything; those of segments set aside are among them. An error of fn
// ends it and is returned. A payload is valid during the call only.
func Dump(dir string, fn func(Item) error) error {
	l, err := list(dir)
	if err != nil {
		return err
	}
	id, err := readID(dir, l)
	if err != nil {
		return err
	}
	return eachSegment(l, id, false, func(f *os.File, sf segmentFile, in inspection) error {
		if in.foreign != "" {
			return nil
		}
		sc := newScanner(f, in.segment.seed, segmentHead, in.segment.end)
		for sc.next() {
			if err := fn(Item{position(sf.no, sc.start), sc.payload}); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachSegment inspects the segments of a listing in order. One that is gone or
// renamed by now was acknowledged in the meantime.
func eachSegment(l listing, id uint64, scan bool, fn func(*os.File, segmentFile, inspection) error) error {
	for _, sf := range l.segments {
		f, err := os.Open(sf.path)
		if gone(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read segment: %w", err)
		}
		st, err := f.Stat()
		if err == nil {
			err = fn(f, sf, inspect(f, st.Size(), id, sf.no, sf.path, scan))
		}
		_ = f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
