package ship

import (
	"context"
	"fmt"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/spool"
)

// batch is a claimed spool batch on its way through a worker.
type batch struct {
	claimed *spool.Batch
	out     Batch
	items   []int     // index of each record's item in claimed.Items
	bad     []Refusal // items that cannot be decoded; Index is into claimed.Items
	lines   int       // items that are lines: all but the heartbeats
	oldest  time.Time
}

// worker ships one batch at a time; it owns a parser and the memory of a batch.
type worker struct {
	s      *Shipper
	parser *parse.Parser
	b      batch
}

func newWorker(s *Shipper) *worker { return &worker{s: s, parser: parse.New()} }

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
	for {
		if err := w.s.gate.enter(ctx); err != nil {
			return err
		}
		started := w.s.o.Now()
		dead, err := w.attempt(ctx)
		w.s.count.seconds.Observe(w.s.o.Now().Sub(started).Seconds())
		if err == nil {
			w.s.gate.leave(started, nil)
			w.finish(dead)
			return nil
		}
		if ctx.Err() != nil {
			w.s.gate.abandon()
			return err
		}
		f := asFailure(err)
		w.s.count.retry(f.Class)
		w.s.gate.leave(started, f)
	}
}

// decode turns payloads into records.
func (w *worker) decode(claimed *spool.Batch) {
	b := &w.b
	*b = batch{
		claimed: claimed,
		out:     Batch{SpoolID: w.s.o.SpoolID, From: claimed.From, To: claimed.To, Records: b.out.Records[:0]},
		lines:   len(claimed.Items),
		items:   b.items[:0],
		bad:     b.bad[:0],
	}
	for i, item := range claimed.Items {
		e, err := DecodeEnvelope(item.Payload)
		if err != nil {
			b.bad = append(b.bad, Refusal{Index: i, Reason: err.Error()})
			continue
		}
		if e.Heartbeat {
			b.lines--
		}
		if b.oldest.IsZero() || e.Received.Before(b.oldest) {
			b.oldest = e.Received
		}
		b.items = append(b.items, i)
		b.out.Records = append(b.out.Records, record.Record{})
		toRecord(w.parser, &e, spool.Position(w.s.o.SpoolID, item.Position), &b.out.Records[len(b.out.Records)-1])
	}
}

// toRecord parses an envelope's line.
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
	}, rec)
}

// attempt writes the batch, its dead letters, and acknowledges it. It returns
// the number of dead letters that are lines.
func (w *worker) attempt(ctx context.Context) (dead int, err error) {
	b := &w.b
	letters := make([]DeadLetter, 0, len(b.bad))
	for _, r := range b.bad {
		letters = append(letters, w.letter(r.Index, r.Reason))
		dead++
	}
	if len(b.out.Records) > 0 {
		refused, err := w.s.o.Sink.Write(ctx, &b.out)
		if err != nil {
			return 0, err
		}
		for _, r := range refused {
			letters = append(letters, w.letter(b.items[r.Index], r.Reason))
			if b.out.Records[r.Index].Kind != record.KindHeartbeat {
				dead++
			}
		}
	}
	if len(letters) > 0 {
		if err := w.s.dead.write(letters); err != nil {
			return 0, &Failure{Class: Temporary, Code: "disk", Err: err}
		}
		w.s.sayRefused(letters)
	}
	if err := w.s.o.Cursor.Ack(b.claimed); err != nil {
		return 0, &Failure{Class: Temporary, Code: "disk", Err: fmt.Errorf("acknowledge batch: %w", err)}
	}
	return dead, nil
}

func (w *worker) letter(item int, reason string) DeadLetter {
	it := w.b.claimed.Items[item]
	return DeadLetter{
		Time:     w.s.o.Now().UTC(),
		Sink:     w.s.o.Sink.Name(),
		Reason:   reason,
		Position: spool.Position(w.s.o.SpoolID, it.Position),
		Envelope: it.Payload,
	}
}

// finish counts an acknowledged batch. Its items belong to the spool again.
func (w *worker) finish(dead int) {
	w.s.count.done(w.b.lines-dead, dead, len(w.b.items)+len(w.b.bad)-w.b.lines)
}
