package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"cloud.google.com/go/logging/apiv2/loggingpb"

	"edgewarden/bench/internal/lines"
)

// books keep who sent what, what stood in the spool and what arrived. All of it is
// known by run, connection and number of a line.
type books struct {
	mu        sync.Mutex
	streams   map[stream]*state
	positions map[string]lines.ID // by position in the spool
	problems  []error
	more      int // problems beyond those kept
}

type stream struct {
	run  string
	conn int
}

// state is one connection: a slice index is a line's number.
type state struct {
	tried   int64    // lines that were written, or begun to be
	listed  []string // position at which it stood in the spool, or ""
	arrived []string // insert id under which it arrived, or ""
}

const keepProblems = 20

func newBooks() *books { return &books{streams: map[stream]*state{}, positions: map[string]lines.ID{}} }

func (b *books) fault(format string, args ...any) {
	if len(b.problems) == keepProblems {
		b.more++
		return
	}
	b.problems = append(b.problems, fmt.Errorf(format, args...))
}

func (b *books) of(id lines.ID) *state {
	k := stream{id.Run, id.Conn}
	s := b.streams[k]
	if s == nil {
		s = &state{}
		b.streams[k] = s
	}
	return s
}

func set(to *[]string, at int64, v string) (before string) {
	for int64(len(*to)) <= at {
		*to = append(*to, "")
	}
	before = (*to)[at]
	(*to)[at] = v
	return before
}

// sent notes how many lines each connection of a run tried to send.
func (b *books) sent(run string, tried []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn, n := range tried {
		b.of(lines.ID{Run: run, Conn: conn}).tried = n
	}
}

// arrived is told of every entry of a line that was not seen before by (log,
// insert_id, timestamp).
func (b *books) arrived(requestID string, e *loggingpb.LogEntry) error {
	id, err := lines.ParseID(requestID)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if before := set(&b.of(id).arrived, id.Seq, e.InsertId); before != "" {
		b.fault("line %s arrived twice: as %s and as %s of %s", id, before, e.InsertId, e.Timestamp.AsTime())
	}
	return nil
}

// listed reads a dump.
func (b *books) listed(r io.Reader) (n, fresh int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for s.Scan() {
		var d struct {
			Position, Line, Problem string
			Heartbeat, Unterminated bool
		}
		if err := json.Unmarshal(s.Bytes(), &d); err != nil {
			return n, fresh, fmt.Errorf("line %.200q: %w", s.Bytes(), err)
		}
		if d.Problem != "" {
			b.fault("position %s in the spool: %s", d.Position, d.Problem)
		}
		if d.Heartbeat || d.Problem != "" {
			continue
		}
		n++
		id, err := lines.FindID([]byte(d.Line))
		if err != nil {
			b.fault("position %s in the spool, unterminated %t: %v", d.Position, d.Unterminated, err)
			continue
		}
		fresh += b.list(id, d.Position)
	}
	return n, fresh, s.Err()
}

func (b *books) list(id lines.ID, position string) (fresh int) {
	if other, again := b.positions[position]; again && other != id {
		b.fault("position %s named line %s and then line %s", position, other, id)
	}
	b.positions[position] = id
	switch before := set(&b.of(id).listed, id.Seq, position); before {
	case "":
		return 1
	case position:
	default:
		b.fault("line %s stands in the spool at %s and at %s", id, before, position)
	}
	return 0
}

func (b *books) totals() (tried, listed, missing int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.streams {
		tried += s.tried
		missing += s.tried - int64(len(s.arrived))
	}
	return tried, int64(len(b.positions)), missing
}

// verdict is nil when every promise was kept.
func (b *books) verdict() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, s := range b.streams {
		b.judge(k, s)
	}
	if b.more > 0 {
		b.problems = append(b.problems, fmt.Errorf("and %d more", b.more))
	}
	return errors.Join(b.problems...)
}

func (b *books) judge(k stream, s *state) {
	if int64(len(s.arrived)) > s.tried {
		b.fault("%s, connection %d: line %d arrived, only %d were sent", k.run, k.conn, len(s.arrived)-1, s.tried)
	}
	for seq, insertID := range s.arrived {
		if insertID == "" {
			b.fault("%s, connection %d: line %d is missing, and line %d arrived", k.run, k.conn, seq, len(s.arrived)-1)
		}
	}
	for seq, position := range s.listed {
		switch {
		case position == "":
		case seq >= len(s.arrived) || s.arrived[seq] == "":
			b.fault("%s, connection %d: line %d stood in the spool at %s and did not arrive", k.run, k.conn, seq, position)
		case !strings.HasSuffix(s.arrived[seq], position):
			b.fault("%s, connection %d: line %d stood in the spool at %s and arrived as %s", k.run, k.conn, seq, position, s.arrived[seq])
		}
	}
}
