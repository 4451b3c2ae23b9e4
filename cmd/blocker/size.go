package main

import (
	"edgewarden/internal/config"
	"edgewarden/internal/detect/bigquery"
)

// size is a flag's number of bytes, written as in the configuration: 53687091200, 50GiB, 500MB.
type size int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *size) UnmarshalText(text []byte) error {
	n, err := config.ParseSize(string(text))
	*s = size(n)
	return err
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string { return bigquery.Size(n) }
