package ship

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// Replayed is what a replay did.
type Replayed struct {
	Delivered int // stored, and no longer dead letters
	Refused   int // refused again; they stay
	Other     int // letters of another sink; they stay
}

// replayBatch is how many letters are written at once.
const replayBatch = 500

// restSuffix is the file of what stays while a replay runs; a crash leaves it,
// and nobody reads it.
const restSuffix = ".rest"

// Replay sends the dead letters in dir that sink refused once to it again,
// under their positions, and removes those it stores. It may run beside a
// Shipper that writes new ones, but not beside another Replay. After an error,
// or a crash, what was not delivered is still there; what was delivered and is
// still there, the sink recognises. Lines that are no dead letters stay, and
// are an error at the end.
func Replay(ctx context.Context, dir string, sink Sink) (Replayed, error) {
	var total Replayed
	if !exists(dir) {
		return total, nil
	}
	unlock, err := lockReplay(dir)
	if err != nil {
		return total, fmt.Errorf("replay dead letters: %w", err)
	}
	defer unlock()
	files, err := takeLetters(dir)
	if err != nil {
		return total, fmt.Errorf("replay dead letters: %w", err)
	}
	var errs []error
	for _, f := range files {
		r := replay{ctx: ctx, sink: sink, path: f, parser: parse.New()}
		if err := r.run(); err != nil {
			errs = append(errs, err)
		}
		total.Delivered += r.done.Delivered
		total.Refused += r.done.Refused
		total.Other += r.done.Other
	}
	if err := errors.Join(errs...); err != nil {
		return total, fmt.Errorf("replay dead letters: %w", err)
	}
	return total, nil
}

// lockReplay makes sure that one replay runs at a time.
func lockReplay(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, ".replaying"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("another replay of these dead letters is running; wait for it to end")
	}
	return func() { f.Close() }, nil
}

// takeLetters renames the files of letters, so that writers begin new ones,
// and returns them with those an earlier replay did not finish.
func takeLetters(dir string) ([]string, error) {
	files, err := letterFiles(dir, letterSuffix)
	if err != nil {
		return nil, err
	}
	if len(files) > 0 {
		unlock, err := lockLetters(dir)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	for _, f := range files {
		to := f + replaySuffix
		for n := 2; exists(to); n++ {
			to = f + "." + strconv.Itoa(n) + replaySuffix
		}
		if err := os.Rename(f, to); err != nil {
			return nil, err
		}
	}
	return letterFiles(dir, replaySuffix)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// replay works through one taken file. What stays is written to a new file
// that takes its place at the end.
type replay struct {
	ctx    context.Context
	sink   Sink
	path   string
	parser *parse.Parser
	done   Replayed

	waiting []DeadLetter // read and not sent yet
	failed  error        // the sink failed: everything from there on stays
	faults  []error      // lines that are no letters
	keep    *bufio.Writer
	kept    int
}

func (r *replay) run() error {
	rest, err := os.OpenFile(r.path+restSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(rest.Name()) // gone already when it took the place
	defer rest.Close()
	r.keep = bufio.NewWriter(rest)
	n := 0
	err = scanLetters(r.path, func(l DeadLetter, line []byte) error {
		n++
		return r.letter(l, line, n)
	})
	if err == nil {
		err = r.send()
	}
	if err == nil {
		err = r.replace(rest)
	}
	return errors.Join(append(r.faults, r.failed, err)...)
}

// letter takes the next line of the file.
func (r *replay) letter(l DeadLetter, line []byte, n int) error {
	fault := l.fault(r.path, n)
	switch {
	case fault != nil:
		r.faults = append(r.faults, fault)
	case l.Sink != r.sink.Name():
		r.done.Other++
	case r.failed == nil:
		if r.waiting = append(r.waiting, l); len(r.waiting) < replayBatch {
			return nil
		}
		return r.send()
	}
	r.kept++
	_, err := r.keep.Write(line)
	return err
}

// send writes the waiting letters to the sink and keeps those that are not
// stored. Its error is one of our disk; one of the sink goes into failed.
func (r *replay) send() error {
	if len(r.waiting) == 0 {
		return nil
	}
	stay, err := sendLetters(r.ctx, r.sink, r.parser, r.waiting)
	if err != nil {
		r.failed, stay = err, r.waiting
	} else {
		r.done.Refused += len(stay)
		r.done.Delivered += len(r.waiting) - len(stay)
	}
	enc := json.NewEncoder(r.keep)
	for _, l := range stay {
		r.kept++
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	r.waiting = r.waiting[:0]
	return nil
}

// replace puts what stays in the place of the file.
func (r *replay) replace(rest *os.File) error {
	if r.kept == 0 {
		if err := os.Remove(r.path); err != nil {
			return err
		}
		return syncDir(filepath.Dir(r.path))
	}
	if err := r.keep.Flush(); err != nil {
		return err
	}
	if err := rest.Sync(); err != nil {
		return err
	}
	if err := os.Rename(rest.Name(), r.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(r.path))
}

// sendLetters writes letters and returns those refused again, with the new
// reason.
func sendLetters(ctx context.Context, sink Sink, parser *parse.Parser, letters []DeadLetter) (refused []DeadLetter, err error) {
	batches, refused := gather(parser, letters)
	for _, b := range batches {
		again, err := sink.Write(ctx, &b.out)
		if err != nil {
			return nil, err
		}
		for _, r := range again {
			l := b.letters[r.Index]
			l.Reason = r.Reason
			refused = append(refused, l)
		}
	}
	return refused, nil
}

// gather makes a batch of the letters of each spool; bad ones cannot be
// decoded.
func gather(parser *parse.Parser, letters []DeadLetter) (batches []*letterBatch, bad []DeadLetter) {
	byID := make(map[string]*letterBatch)
	for _, l := range letters {
		id, pos, ok := splitPosition(l.Position)
		e, err := DecodeEnvelope(l.Envelope)
		if !ok {
			err = errors.New("its position is malformed")
		}
		if err != nil {
			l.Reason = err.Error()
			bad = append(bad, l)
			continue
		}
		b := byID[id]
		if b == nil {
			b = &letterBatch{out: Batch{SpoolID: id, From: pos, To: pos + 1, Replayed: true}}
			b.out.Records = b.records(parser)
			byID[id] = b
			batches = append(batches, b)
		}
		b.out.From, b.out.To = min(b.out.From, pos), max(b.out.To, pos+1)
		b.letters = append(b.letters, l)
		b.envelopes = append(b.envelopes, e)
		b.out.Len++
		if e.Heartbeat {
			b.out.Heartbeats = append(b.out.Heartbeats, e.Received)
		}
	}
	return batches, bad
}

// letterBatch is the letters of one spool.
type letterBatch struct {
	out       Batch
	letters   []DeadLetter
	envelopes []Envelope // parallel to letters
}

func (b *letterBatch) records(parser *parse.Parser) iter.Seq2[int, *record.Record] {
	return func(yield func(int, *record.Record) bool) {
		var r record.Record
		for i := range b.envelopes {
			toRecord(parser, &b.envelopes[i], b.letters[i].Position, &r)
			if !yield(i, &r) {
				return
			}
		}
	}
}
