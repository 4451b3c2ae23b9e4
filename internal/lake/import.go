package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edgewarden/internal/record"
)

// importRows is how many rows an import sorts in memory, about 50 MB of
// them. A larger input is sorted in parts that are merged at the end.
const importRows = 50_000

// Importer files the lines of one existing log in a lake: one file an hour of
// event time, named by the SHA-256 of the input, so that importing the same
// input again replaces what it brought the first time. Nothing is visible
// before [Importer.Commit].
type Importer struct {
	dir   string
	sum   string
	temp  string // folder of the sorted parts
	hours map[string]*importHour
	rows  int // in memory, all hours
	total int
	enc   *encoder
}

type importHour struct {
	rows  []*record.Record // not sorted yet
	parts []string         // sorted parts on disk
}

// NewImporter begins the import of the input with the given SHA-256, 64 hex
// digits, into the lake in dir, which is created when it does not exist. It
// may run while an ingest serves the same lake.
func NewImporter(dir, sum string) (*Importer, error) {
	sum = strings.ToLower(sum)
	if len(sum) != maxSumLen || !isHex(sum) {
		return nil, fmt.Errorf("begin import: %q is not a SHA-256 in hex", sum)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("begin import: %w", err)
	}
	if err := checkVersion(dir); err != nil {
		return nil, fmt.Errorf("begin import: %w", err)
	}
	temp, err := os.MkdirTemp(dir, tempPrefix+importPrefix)
	if err != nil {
		return nil, fmt.Errorf("begin import: %w", err)
	}
	return &Importer{dir: dir, sum: sum[:2*minSumLen], temp: temp, hours: make(map[string]*importHour), enc: newEncoder()}, nil
}

// Add adds a copy of r. An empty Position becomes the first 16 digits of the
// sum, a dash and the row's number, so that it is the same on every import.
func (m *Importer) Add(r *record.Record) error {
	c := *r
	if c.Position == "" {
		c.Position = fmt.Sprintf("%s-%016x", m.sum[:minSumLen], m.total)
	}
	hour := hourName(eventHour(&c))
	h := m.hours[hour]
	if h == nil {
		h = new(importHour)
		m.hours[hour] = h
	}
	h.rows = append(h.rows, &c)
	m.total++
	if m.rows++; m.rows < importRows {
		return nil
	}
	for _, h := range m.hours {
		if err := m.spill(h); err != nil {
			return fmt.Errorf("import row %d: %w", m.total, err)
		}
	}
	return nil
}

// spill writes an hour's rows in memory as a sorted part.
func (m *Importer) spill(h *importHour) (err error) {
	if len(h.rows) == 0 {
		return nil
	}
	f, err := os.CreateTemp(m.temp, "part-*")
	if err != nil {
		return fmt.Errorf("write part of import: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := m.encode(f, h.rows); err != nil {
		return fmt.Errorf("write part of import: %w", err)
	}
	m.rows -= len(h.rows)
	h.rows = nil
	h.parts = append(h.parts, f.Name())
	return nil
}

// encode writes rows, sorted, as a file.
func (m *Importer) encode(w io.Writer, rows []*record.Record) error {
	sortByTime(rows)
	m.enc.reset(w)
	if err := m.enc.write(rows); err != nil {
		return err
	}
	return m.enc.close()
}

// Imported is what an import stored.
type Imported struct {
	Rows, Hours int
}

// Commit publishes the rows, hour by hour, and then removes files an earlier
// import of the same input left in other hours. After an error the import may
// be visible in part; importing again makes it whole. The Importer is spent.
func (m *Importer) Commit(ctx context.Context) (Imported, error) {
	defer m.Abort()
	if err := claimVersion(m.dir); err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	file := name{sum: m.sum}.String()
	for hour, h := range m.hours {
		if err := m.publishHour(ctx, filepath.Join(m.dir, hour), file, h); err != nil {
			return Imported{}, fmt.Errorf("import hour %s: %w", hour, err)
		}
	}
	hours, err := listHours(m.dir)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	for _, hour := range hours {
		if m.hours[hour] != nil {
			continue
		}
		if err := ignoreGone(os.Remove(filepath.Join(m.dir, hour, file))); err != nil {
			return Imported{}, fmt.Errorf("replace earlier import: %w", err)
		}
	}
	return Imported{Rows: m.total, Hours: len(m.hours)}, nil
}

func (m *Importer) publishHour(ctx context.Context, dir, file string, h *importHour) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := makeDir(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, file)
	if len(h.parts) == 0 {
		return publish(path, time.Time{}, func(w io.Writer) error { return m.encode(w, h.rows) })
	}
	if err := m.spill(h); err != nil {
		return err
	}
	if err := m.mergeParts(ctx, h); err != nil {
		return err
	}
	return publish(path, time.Time{}, func(w io.Writer) error {
		_, err := merge(ctx, m.enc, w, h.parts)
		return err
	})
}

// mergeParts merges parts into larger ones until one merge can hold the rest
// open.
func (m *Importer) mergeParts(ctx context.Context, h *importHour) error {
	for len(h.parts) > maxMergeFiles {
		group := h.parts[:maxMergeFiles]
		f, err := os.CreateTemp(m.temp, "part-*")
		if err != nil {
			return fmt.Errorf("merge parts of import: %w", err)
		}
		_, err = merge(ctx, m.enc, f, group)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("merge parts of import: %w", err)
		}
		for _, p := range group {
			os.Remove(p)
		}
		h.parts = append(h.parts[maxMergeFiles:], f.Name())
	}
	return nil
}

// Abort gives the import up and removes its parts; after Commit it does
// nothing.
func (m *Importer) Abort() {
	os.RemoveAll(m.temp)
}
