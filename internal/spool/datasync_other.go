//go:build !linux

package spool

import "os"

// dataSync makes the bytes and the size of f durable.
func dataSync(f *os.File) error { return f.Sync() }
