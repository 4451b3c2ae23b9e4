package lake

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"edgewarden/internal/record"
)

// chunkRows is how many rows are turned into column values at a time: enough
// to make the cost per column vanish, few enough to stay in the cache.
const chunkRows = 1024

// encoder turns records into one Parquet file after another. Its buffers are
// what is dear about a small file, so it is reused by reset. Not safe for
// concurrent use.
type encoder struct {
	w      *parquet.GenericWriter[any]
	values []parquet.Value
	rows   int // in the current row group
}

func newEncoder() *encoder {
	return &encoder{
		w: parquet.NewGenericWriter[any](io.Discard, schema,
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault}),
			parquet.MaxRowsPerRowGroup(rowGroupRows),
			parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending(record.Fields[record.Timestamp].Name))),
			parquet.CreatedBy("edgewarden", "1", ""),
		),
		values: make([]parquet.Value, chunkRows),
	}
}

// reset begins a new file on w.
func (e *encoder) reset(w io.Writer) {
	e.w.Reset(w)
	e.rows = 0
}

// write adds rows, column by column.
func (e *encoder) write(rows []*record.Record) error {
	for len(rows) > 0 {
		n := min(len(rows), chunkRows, rowGroupRows-e.rows)
		if err := e.writeChunk(rows[:n]); err != nil {
			return fmt.Errorf("encode rows: %w", err)
		}
		rows = rows[n:]
		if e.rows += n; e.rows == rowGroupRows {
			if err := e.w.Flush(); err != nil {
				return fmt.Errorf("encode row group: %w", err)
			}
			e.rows = 0
		}
	}
	return nil
}

func (e *encoder) writeChunk(rows []*record.Record) error {
	for f, col := range e.w.ColumnWriters() {
		fill(e.values, rows, record.Field(f))
		if _, err := col.WriteRowValues(e.values[:len(rows)]); err != nil {
			return err
		}
	}
	return nil
}

// close ends the file: its footer is written.
func (e *encoder) close() error {
	if err := e.w.Close(); err != nil {
		return fmt.Errorf("encode footer: %w", err)
	}
	return nil
}

// sortByTime orders rows by event time, and rows of one time by position.
func sortByTime(rows []*record.Record) {
	slices.SortStableFunc(rows, compareRows)
}

func compareRows(a, b *record.Record) int {
	if c := a.Timestamp.Compare(b.Timestamp); c != 0 {
		return c
	}
	return strings.Compare(a.Position, b.Position)
}
