package main

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/parse"
	"edgewarden/internal/receive"
	"edgewarden/internal/record"
	"edgewarden/internal/redact"
	"edgewarden/internal/ship"
	"edgewarden/internal/spool"
)

// Reasons of lines that were received and could not be kept.
const (
	dropFull    = "spool_full"
	dropError   = "spool_error"
	dropShare   = "sender_share"  // the sender holds its share of the spool
	dropDamaged = "spool_damaged" // kept, and found damaged on disk later
)

// keeper takes frames from connections, masks them and puts them in the spool.
type keeper struct {
	spool     *spool.Spool
	serviceID string
	drop      func(reason string, lines int)
	log       *slog.Logger
	pool      sync.Pool // of *desk
	redacted  *prometheus.CounterVec
	dropping  dropping // the spool takes no lines
	sharing   dropping // it takes none of some sender
	onDrop    func(reason string, src receive.Source, lines int)
}

// desk is what the work on one read needs: reused, so that a line costs no allocation.
type desk struct {
	mask     *redact.Redactor
	buf      []byte
	ends     []int
	payloads [][]byte
}

func newKeeper(s *spool.Spool, serviceID string, tokens [][]byte, drop func(string, int), log *slog.Logger) *keeper {
	k := &keeper{spool: s, serviceID: serviceID, drop: drop, log: log}
	k.pool.New = func() any { return &desk{mask: redact.New(tokens...)} }
	k.redacted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "edgewarden_ingest_redacted_total", Help: "Values masked before a line was stored, by kind."}, []string{"kind"})
	k.redacted.WithLabelValues("card")
	k.redacted.WithLabelValues("secret")
	for _, reason := range []string{dropFull, dropError, dropShare, dropDamaged} {
		drop(reason, 0) // a rate needs the zero before the first
	}
	return k
}

// keep is a receive.Handler: all frames of a read go into the spool with one
// write, or are dropped together.
func (k *keeper) keep(src receive.Source, received time.Time, frames []parse.Frame) {
	d := k.pool.Get().(*desk)
	defer k.pool.Put(d)
	d.buf, d.ends, d.payloads = d.buf[:0], d.ends[:0], d.payloads[:0]
	var masked redact.Counts
	for _, f := range frames {
		n := maskFrame(d.mask, f)
		masked.Cards += n.Cards
		masked.Secrets += n.Secrets
		e := ship.Envelope{
			Received: received, Sender: sender(src, f), Conn: src.Conn, Remote: src.Remote, ServiceID: k.serviceID,
			Length: f.Length, Cut: f.Cut, Unterminated: f.Unterminated, Line: f.Line,
		}
		d.buf = e.Append(d.buf)
		d.ends = append(d.ends, len(d.buf))
	}
	from := 0
	for _, end := range d.ends {
		d.payloads = append(d.payloads, d.buf[from:end])
		from = end
	}
	k.count(masked)
	k.append(src, d.payloads)
}

// maskFrame masks a frame; one whose end is missing may end in a piece of a card
// number.
func maskFrame(mask *redact.Redactor, f parse.Frame) redact.Counts {
	if f.Cut || f.Unterminated {
		return mask.Cut(f.Line)
	}
	return mask.Line(f.Line)
}

// append stores payloads or counts them as dropped. A spool that is full or
// broken never stops the reader: a receiver that does not read makes Fastly
// drop lines in silence.
func (k *keeper) append(src receive.Source, payloads [][]byte) {
	err := k.spool.AppendFrom(src.Sender, payloads)
	if err == nil {
		if k.dropping.over() {
			k.log.Info("spool takes lines again")
		}
		if k.sharing.over() {
			k.log.Info("no sender is over its share of the spool any more")
		}
		return
	}
	reason, state := dropError, &k.dropping
	advice := "free disk space, raise --spool-max-bytes, or find out why records are not shipped"
	switch {
	case errors.Is(err, spool.ErrShare):
		reason, state = dropShare, &k.sharing
		advice = "one sender fills the spool: find out why it sends so much or why records are not shipped; --sender-share sets its limit"
	case errors.Is(err, spool.ErrFull):
		reason = dropFull
	}
	k.drop(reason, len(payloads))
	if k.onDrop != nil {
		k.onDrop(reason, src, len(payloads))
	}
	if state.begins(time.Now()) {
		k.log.Error("dropping lines", "reason", reason, "remote", src.Remote.String(), "sender", src.Sender, "err", err, "advice", advice)
	}
}

func (k *keeper) count(n redact.Counts) {
	if n.Cards > 0 {
		k.redacted.WithLabelValues("card").Add(float64(n.Cards))
	}
	if n.Secrets > 0 {
		k.redacted.WithLabelValues("secret").Add(float64(n.Secrets))
	}
}

// sender says how a frame was authenticated.
func sender(src receive.Source, f parse.Frame) string {
	switch {
	case src.Verified:
		return record.SenderMTLS
	case f.Token:
		return record.SenderToken
	}
	return record.SenderNone
}

// calm is how long nothing must have been dropped before that is said to be over:
// at the cap, small reads still fit while large ones do not.
const calm = 10 * time.Second

// dropping remembers whether lines are being dropped, so that the log says so
// once when it starts and once when it ends.
type dropping struct {
	on   atomic.Bool
	mu   sync.Mutex
	last time.Time
}

func (d *dropping) begins(now time.Time) bool {
	d.mu.Lock()
	d.last = now
	d.mu.Unlock()
	return d.on.CompareAndSwap(false, true)
}

func (d *dropping) over() bool {
	if !d.on.Load() {
		return false
	}
	d.mu.Lock()
	quiet := time.Since(d.last) >= calm
	d.mu.Unlock()
	return quiet && d.on.CompareAndSwap(true, false)
}
