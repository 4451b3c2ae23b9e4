package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"edgewarden/internal/acl/acltest"
)

const (
	service = "SVC1"
	token   = "gameday-token"
)

// stage is what a game is played on: the stand-in edge in this process, ingest as a process, and a folder for what both
// programs write.
//
//	traffic --TCP, classic syslog, token--> ingest (process) --> lake --> blocker (process, once a period) --HTTP--> stand-in edge
//	   ^                                                                                                                |
//	   '------------------------------------- 403 and blocked: true ----------------------------------------------------'
type stage struct {
	dir      string
	edge     *acltest.Server
	edgeAddr string
	ingest   *process
	conn     net.Conn
	written  int64 // lines given to the running ingest
}

func lakeDir(dir string) string { return filepath.Join(dir, "lake") }

// openStage starts the edge; ranges is what its path /crawler.json answers. The edge ends with ctx.
func openStage(ctx context.Context, dir, ranges string) (*stage, error) {
	s := &stage{dir: dir, edge: acltest.New()}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.edgeAddr = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/", s.edge)
	mux.HandleFunc("GET /crawler.json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, ranges) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return s, nil
}

func (s *stage) configure(text string) error {
	return os.WriteFile(filepath.Join(s.dir, "edgewarden.yaml"), []byte(text), 0o600)
}

// receive starts ingest and connects to it.
func (s *stage) receive(ctx context.Context) (err error) {
	if s.ingest, err = startIngest(ctx, s.dir, token); err != nil {
		return err
	}
	s.written = 0
	s.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", s.ingest.addr)
	return err
}

// send gives ingest bytes that hold so many lines.
func (s *stage) send(b []byte, lines int) error {
	if _, err := s.conn.Write(b); err != nil {
		return fmt.Errorf("sending %d lines: %w", lines, err)
	}
	s.written += int64(lines)
	return nil
}

// settled waits until all that was sent is in the lake.
func (s *stage) settled(ctx context.Context) error {
	return s.ingest.waitFor(ctx, "edgewarden_ingest_shipped_records_total", s.written)
}
