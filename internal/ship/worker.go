package ship

import (
	"context"
	"fmt"
	"slices"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/spool"
)

// batch is a claimed spool batch on its way through a worker.
type batch struct {
	claimed   *spool.Batch
	out       Batch
	envelopes []Envelope // of the records of out
	items     []int      // index of each record's item in claimed.Items
	bad       []Refusal  // items that cannot be decoded; Index is into claimed.Items
	lines     int        // items that are lines: all but the heartbeats
	oldest    time.Time
}

// worker ships one batch at a time; it owns a parser and the memory of a batch.
type worker struct {
	s         *Shipper
	decoder   decoder
	parser    *parse.Parser
	positions positions
	record    record.Record // the one being written
	b         batch
}

func newWorker(s *Shipper) *worker {
	return &worker{s: s, parser: parse.New(), positions: newPositions(s.o.SpoolID)}
}

func (w *worker) run(ctx, claims context.Context) {
	for {
		claimed, err := w.s.claim(ctx, claims)
		if err != nil {
			if w.pause(ctx, fmt.Errorf("read from spool: %w", err)) != nil {
				return
			}
			continue
		}
		if claimed == nil {
			return
		}
		if err := w.ship(ctx, claimed); err != nil {
			w.s.o.Cursor.Release(claimed)
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// pause counts a failure of our own disk and waits as after one of the sink.
func (w *worker) pause(ctx context.Context, err error) error {
	if e := w.s.gate.enter(ctx); e != nil {
		return e
	}
	w.s.count.retry(Temporary)
	w.s.gate.leave(w.s.o.Now(), &Failure{Class: Temporary, Code: "disk", Err: err})
	return ctx.Err()
}

// ship writes one batch until it is stored and acknowledged, or ctx ends.
func (w *worker) ship(ctx context.Context, claimed *spool.Batch) error {
	w.decode(claimed)
	w.s.count.begin(&w.b, w.b.oldest)
	defer w.s.count.end(&w.b)
	for past := (history{}); ; {
		if err := w.s.gate.enter(ctx); err != nil {
			return err
		}
		started := w.s.o.Now()
		o, err := w.attempt(ctx)
		w.s.count.seconds.Observe(w.s.o.Now().Sub(started).Seconds())
		if err == nil {
			w.s.gate.leave(started, nil)
			w.s.count.done(o)
			return nil
		}
		if ctx.Err() != nil {
			w.s.gate.abandon()
			return err
		}
		if err := w.failed(ctx, started, asFailure(err), &past); err != nil {
			return err
		}
	}
}

// history is what is known of the failures of one batch.
type history struct {
	failures int
	alone    int   // those while other batches were written
	seen     int64 // writes that had succeeded at the last one
}

// aloneIsOdd is after how many failures alone a batch is worth a line in the log.
const aloneIsOdd = 3

// failed gives up the place at the gate after a failure. When it is this batch
// alone that fails, it waits here: the others go on, with one worker less. So a
// sink that would answer one batch forever with a failure that may pass costs
// one worker for each such batch, and the age of the oldest line in flight
// grows; nothing is given up for it.
func (w *worker) failed(ctx context.Context, started time.Time, f *Failure, past *history) error {
	g := w.s.gate
	w.s.count.retry(f.Class)
	past.failures++
	if past.failures == 1 {
		g.leave(started, f)
		past.seen = g.successes()
		return nil
	}
	alone := g.leaveAgain(started, f, past.seen)
	past.seen = g.successes()
	if !alone {
		return nil
	}
	if past.alone++; past.alone == aloneIsOdd {
		w.s.log.Warn("one batch keeps failing while others are written; it is tried again, more and more slowly",
			"class", f.Class, "code", f.Code, "err", f.Err, "position", w.positions.at(0), "lines", w.b.lines)
	}
	return waitFor(ctx, nil, g.backoff[f.Class].after(past.alone))
}

// decode opens the envelopes. Their lines are parsed when the sink asks for
// the records.
func (w *worker) decode(claimed *spool.Batch) {
	b := &w.b
	*b = batch{
		claimed:   claimed,
		out:       Batch{SpoolID: w.s.o.SpoolID, From: claimed.From, To: claimed.To, Records: w.records, Heartbeats: b.out.Heartbeats[:0]},
		lines:     len(claimed.Items),
		envelopes: b.envelopes[:0],
		items:     b.items[:0],
		bad:       b.bad[:0],
	}
	for i := range claimed.Items {
		e, err := w.decoder.next(claimed.Items[i].Payload)
		if err != nil {
			b.bad = append(b.bad, Refusal{Index: i, Reason: err.Error()})
			continue
		}
		if e.Heartbeat {
			b.lines--
			b.out.Heartbeats = append(b.out.Heartbeats, e.Received)
		}
		if b.oldest.IsZero() || e.Received.Before(b.oldest) {
			b.oldest = e.Received
		}
		b.items = append(b.items, i)
		b.envelopes = append(b.envelopes, e)
	}
	b.out.Len = len(b.envelopes)
	w.positions.set(claimed.Items)
}

// records yields the records of the batch; it is Batch.Records.
func (w *worker) records(yield func(int, *record.Record) bool) {
	for i := range w.b.envelopes {
		toRecord(w.parser, &w.b.envelopes[i], w.positions.at(w.b.items[i]), &w.record)
		if !yield(i, &w.record) {
			return
		}
	}
}

// toRecord parses an envelope's line. The record's strings are parts of the
// line where that is possible: it must not change while they are in use.
func toRecord(p *parse.Parser, e *Envelope, position string, rec *record.Record) {
	if e.Heartbeat {
		heartbeat(e, position, rec)
		return
	}
	p.Parse(e.Line, parse.Meta{
		Received:     e.Received,
		Sender:       e.Sender,
		ServiceID:    e.ServiceID,
		Position:     position,
		Cut:          e.Cut,
		Length:       e.Length,
		Unterminated: e.Unterminated,
		Stable:       true,
	}, rec)
}

// outcome is what became of a batch.
type outcome struct {
	shipped, dead, dropped int // lines
	beats                  int // heartbeats, whatever became of them
}

// attempt writes the batch, its dead letters, and acknowledges it.
func (w *worker) attempt(ctx context.Context) (o outcome, err error) {
	b := &w.b
	o.beats = len(b.out.Heartbeats)
	refused := b.bad
	if b.out.Len > 0 {
		rs, err := w.s.o.Sink.Write(ctx, &b.out)
		if err != nil {
			return o, err
		}
		refused = slices.Clone(refused)
		for _, r := range rs {
			refused = append(refused, Refusal{Index: b.items[r.Index], Reason: r.Reason})
		}
	}
	if len(refused) > 0 {
		if err := w.bury(refused, &o); err != nil {
			return o, &Failure{Class: Temporary, Code: "disk", Err: err}
		}
	}
	if err := w.s.o.Cursor.Ack(b.claimed); err != nil {
		return o, &Failure{Class: Temporary, Code: "disk", Err: fmt.Errorf("acknowledge batch: %w", err)}
	}
	o.shipped = b.lines - o.dead - o.dropped
	return o, nil
}

// bury makes refused items of the claimed batch dead letters.
func (w *worker) bury(refused []Refusal, o *outcome) error {
	letters := make([]DeadLetter, len(refused))
	for i, r := range refused {
		letters[i] = w.letter(r.Index, r.Reason)
	}
	kept, err := w.s.dead.write(letters)
	if err != nil {
		return err
	}
	for i := range letters {
		switch {
		case w.isHeartbeat(refused[i].Index):
		case i < kept:
			o.dead++
		default:
			o.dropped++
		}
	}
	w.s.sayRoom(kept < len(letters))
	if kept > 0 {
		w.s.sayRefused(letters[:kept])
	}
	return nil
}

// isHeartbeat reports whether an item of the claimed batch is a heartbeat; one
// that cannot be decoded counts as a line.
func (w *worker) isHeartbeat(item int) bool {
	i, ok := slices.BinarySearch(w.b.items, item)
	return ok && w.b.envelopes[i].Heartbeat
}

func (w *worker) letter(item int, reason string) DeadLetter {
	it := w.b.claimed.Items[item]
	return DeadLetter{
		Time:     w.s.o.Now().UTC(),
		Sink:     w.s.o.Sink.Name(),
		Reason:   reason,
		Position: w.positions.at(item),
		Envelope: it.Payload,
	}
}
