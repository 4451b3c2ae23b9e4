package lake

import "time"

// Select returns the Parquet files a reader has to read to see every row with an event time in [from, to): the files of
// those UTC hours, without any that another file covers. Paths are absolute. A lake that does not exist is an error
// that wraps fs.ErrNotExist.
func Select(dir string, from, to time.Time) ([]string, error) { panic("stub") }
