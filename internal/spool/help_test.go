package spool_test

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"log/slog"
	"sync"
	"time"
)

// logger writes text lines to w, one caller at a time.
func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(&locked{w: w}, nil)) }

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// putSum writes the CRC-32C of b to dst.
func putSum(dst, b []byte) {
	binary.LittleEndian.PutUint32(dst, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
