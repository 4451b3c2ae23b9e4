package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parquet-go/parquet-go"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

// stored counts the requests in the lake. It reads one column: a long game has most of a million rows.
func (s *stage) stored(from, to time.Time) (n int64, err error) {
	files, err := lake.Select(lakeDir(s.dir), from, to)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		some, err := requestsIn(f)
		if err != nil {
			return 0, fmt.Errorf("counting the rows of %s: %w", f, err)
		}
		n += some
	}
	return n, nil
}

// requestsIn counts the rows of one lake file that are requests.
func requestsIn(path string) (n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	p, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return 0, err
	}
	kind, ok := p.Schema().Lookup(record.Fields[record.Kind].Name)
	if !ok {
		return 0, errors.New("it has no column kind")
	}
	for _, g := range p.RowGroups() {
		pages := g.ColumnChunks()[kind.ColumnIndex].Pages()
		for {
			page, err := pages.ReadPage()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return 0, errors.Join(err, pages.Close())
			}
			values := make([]parquet.Value, page.NumValues())
			if _, err := page.Values().ReadValues(values); err != nil && !errors.Is(err, io.EOF) {
				return 0, errors.Join(err, pages.Close())
			}
			for _, v := range values {
				if string(v.ByteArray()) == record.KindRequest {
					n++
				}
			}
			parquet.Release(page)
		}
		if err := pages.Close(); err != nil {
			return 0, err
		}
	}
	return n, nil
}
