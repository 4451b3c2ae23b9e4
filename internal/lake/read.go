package lake

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"

	"edgewarden/internal/record"
)

// reader reads the rows of one lake file in order. Columns are found by name,
// so that a file written before a field existed reads as if it were absent.
type reader struct {
	file   *os.File
	groups []parquet.RowGroup
	fields []int // record field of each column; -1 for a column the table does not have
	rows   parquet.Rows
	buf    []parquet.Row
}

func openReader(path string) (*reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open lake file: %w", err)
	}
	r := &reader{file: f, buf: make([]parquet.Row, 128)}
	if err := r.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("read lake file %s: %w", path, err)
	}
	return r, nil
}

func (r *reader) open() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	p, err := parquet.OpenFile(r.file, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	r.groups = p.RowGroups()
	for _, col := range p.Root().Columns() {
		f, ok := record.ByName(col.Name())
		if !ok || !col.Leaf() || col.Type().Kind() != kinds[f] {
			r.fields = append(r.fields, -1)
			continue
		}
		r.fields = append(r.fields, int(f))
	}
	return nil
}

// read fills recs and returns how many it filled; io.EOF comes with 0.
func (r *reader) read(recs []record.Record) (int, error) {
	for {
		if r.rows == nil {
			if len(r.groups) == 0 {
				return 0, io.EOF
			}
			r.rows, r.groups = r.groups[0].Rows(), r.groups[1:]
		}
		n, err := r.rows.ReadRows(r.buf[:min(len(r.buf), len(recs))])
		for i, row := range r.buf[:n] {
			recs[i] = record.Record{}
			for _, v := range row {
				if f := r.fields[v.Column()]; f >= 0 {
					setValue(&recs[i], record.Field(f), v)
				}
			}
		}
		if errors.Is(err, io.EOF) {
			err = r.rows.Close()
			r.rows = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *reader) close() error {
	var err error
	if r.rows != nil {
		err = r.rows.Close()
	}
	return errors.Join(err, r.file.Close())
}

// ReadAll returns the rows of one lake file in their order.
func ReadAll(path string) ([]record.Record, error) {
	r, err := openReader(path)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var all []record.Record
	buf := make([]record.Record, chunkRows)
	for {
		n, err := r.read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read lake file %s: %w", path, err)
		}
	}
}
