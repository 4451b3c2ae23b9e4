package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"edgewarden/internal/ship"
	"edgewarden/internal/spool"
)

// spoolDir is the flag that every spool command has.
type spoolDir struct {
	Spool string `required:"" placeholder:"DIR" help:"Folder of the spool."`
}

// exists says whether there is a spool at all: looking into a folder that is
// not there, or into a wrong one, must not look like a sound and empty spool.
func (d spoolDir) exists() error {
	info, err := os.Stat(d.Spool)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: d.Spool, Err: fs.ErrInvalid}
	}
	if err != nil {
		return fmt.Errorf("looking into spool: %w; --spool must name the folder that ingest serve was given", err)
	}
	return nil
}

type spoolVerify struct{ spoolDir }

func (c *spoolVerify) run(_ context.Context, p *program) error {
	if err := c.exists(); err != nil {
		return err
	}
	r, err := spool.Verify(c.Spool)
	if err != nil {
		return fmt.Errorf("verifying spool: %w", err)
	}
	if r.Segments == 0 && len(r.Problems) == 0 {
		return fmt.Errorf("%s holds no spool: no segment is in it", c.Spool)
	}
	fmt.Fprintf(p.stdout, "%d segments, %d records, %d bytes, %d problems\n", r.Segments, r.Records, r.Bytes, len(r.Problems))
	for _, s := range r.Problems {
		fmt.Fprintln(p.stdout, s)
	}
	if len(r.Problems) > 0 {
		return errFindings
	}
	return nil
}

type spoolStats struct {
	spoolDir
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (c *spoolStats) run(_ context.Context, p *program) error {
	if err := c.exists(); err != nil {
		return err
	}
	s, err := spool.StatsOf(c.Spool)
	if err != nil {
		return fmt.Errorf("reading spool: %w", err)
	}
	dead := map[string]int64{}
	if err := ship.ReadDeadLetters(deadLetters(c.Spool), func(l ship.DeadLetter) error { dead[l.Sink]++; return nil }); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(map[string]any{
			"bytes": s.Bytes, "segments": s.Segments, "damaged_segments": s.Damaged, "queued": s.Pending, "oldest": s.OldestUnacked, "dead_letters": dead})
	}
	fmt.Fprintf(p.stdout, "%d segments, %d bytes, %d damaged\n", s.Segments, s.Bytes, s.Damaged)
	for _, name := range slices.Sorted(maps.Keys(s.Pending)) {
		fmt.Fprintf(p.stdout, "%s: %d records not shipped", name, s.Pending[name])
		if t, ok := s.OldestUnacked[name]; ok {
			fmt.Fprintf(p.stdout, ", the oldest of %s", t.UTC().Format(time.RFC3339))
		}
		fmt.Fprintln(p.stdout)
	}
	for _, name := range slices.Sorted(maps.Keys(dead)) {
		fmt.Fprintf(p.stdout, "%s: %d dead letters\n", name, dead[name])
	}
	return nil
}

type spoolDump struct{ spoolDir }

// dumped is one record as it is printed. A line that is no UTF-8 is printed as
// base64 under another key, so that nothing is altered.
type dumped struct {
	Position     string    `json:"position"`
	Received     time.Time `json:"received"`
	Sender       string    `json:"sender"`
	Conn         uint64    `json:"conn,omitempty"`
	Remote       string    `json:"remote,omitempty"`
	ServiceID    string    `json:"service_id,omitempty"`
	Length       int       `json:"length,omitempty"`
	Cut          bool      `json:"cut,omitempty"`
	Unterminated bool      `json:"unterminated,omitempty"`
	Heartbeat    bool      `json:"heartbeat,omitempty"`
	Line         string    `json:"line,omitempty"`
	LineBase64   []byte    `json:"line_base64,omitempty"`
	Problem      string    `json:"problem,omitempty"`
}

func (c *spoolDump) run(ctx context.Context, p *program) error {
	if err := c.exists(); err != nil {
		return err
	}
	w := bufio.NewWriterSize(p.stdout, 64<<10)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	err := spool.Dump(c.Spool, func(it spool.Item) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return enc.Encode(dump(it))
	})
	if err != nil {
		return fmt.Errorf("dumping spool: %w", err)
	}
	return w.Flush()
}

func dump(it spool.Item) dumped {
	d := dumped{Position: fmt.Sprintf("%016x", it.Position)}
	e, err := ship.DecodeEnvelope(it.Payload)
	if err != nil {
		d.Problem, d.LineBase64 = err.Error(), it.Payload
		return d
	}
	d.Received, d.Sender, d.Conn, d.ServiceID = e.Received, e.Sender, e.Conn, e.ServiceID
	d.Length, d.Cut, d.Unterminated, d.Heartbeat = e.Length, e.Cut, e.Unterminated, e.Heartbeat
	if e.Remote.IsValid() {
		d.Remote = e.Remote.String()
	}
	if utf8.Valid(e.Line) {
		d.Line = string(e.Line)
	} else {
		d.LineBase64 = e.Line
	}
	return d
}

type spoolReplay struct {
	spoolDir
	cloudFlags
}

// run sends dead letters to Cloud Logging again. The lake refuses no record, so
// it has none that could be replayed.
func (c *spoolReplay) run(ctx context.Context, p *program) error {
	if err := c.exists(); err != nil {
		return err
	}
	if c.Project == "" {
		return usagef("spool replay needs --project: dead letters go to Cloud Logging again")
	}
	sink, err := c.openCloudLogging(ctx, p)
	if err != nil {
		return err
	}
	defer sink.Close()
	r, err := ship.Replay(ctx, deadLetters(c.Spool), sink)
	report(p.stdout, r)
	return err
}

func report(w io.Writer, r ship.Replayed) {
	fmt.Fprintf(w, "%d dead letters delivered, %d refused again, %d of another sink kept\n", r.Delivered, r.Refused, r.Other)
}
