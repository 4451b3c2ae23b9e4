package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"edgewarden/internal/record"
)

// Options configure a [Writer].
type Options struct {
	Dir string // created when it does not exist

	// Grace is how long a merged file's sources stay readable; 0 means 5 minutes.
	Grace time.Duration

	// RetainFor removes files whose newest row arrived longer ago; 0 keeps
	// all. RetainBytes removes the files that arrived first until the lake is
	// no larger; 0 has no limit.
	RetainFor   time.Duration
	RetainBytes int64

	Logger *slog.Logger // nil is silent
}

func (o *Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no lake directory given"))
	}
	if o.Grace < 0 || o.RetainFor < 0 || o.RetainBytes < 0 {
		errs = append(errs, errors.New("grace and retention of the lake must not be negative"))
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// Writer adds batches to a lake and keeps it in shape. Write and Maintain may
// run at the same time, and Write in several goroutines for different
// positions. One process per spool may have a Writer, and of all processes
// that have one on the same lake one compacts, the others only add.
type Writer struct {
	o Options

	mu       sync.Mutex
	held     map[hourSpool]*spans // positions each hour's files hold, per spool
	done     map[string]*spans    // positions written completely, all hours, by this Writer, per spool
	encoders []*encoder           // free ones
	closed   bool

	maintain sync.Mutex // one Maintain at a time; guards what follows
	lock     *os.File   // nil while another process compacts
	covered  map[string]time.Time
}

type hourSpool struct{ hour, spool string }

// OpenWriter opens or creates the lake in o.Dir and reads which positions it
// holds. A lake of a newer release is an ErrNewer.
func OpenWriter(o Options) (*Writer, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	if err := claimVersion(o.Dir); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	w := &Writer{
		o:       o,
		held:    make(map[hourSpool]*spans),
		done:    make(map[string]*spans),
		covered: make(map[string]time.Time),
	}
	if err := w.scan(); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	return w, nil
}

// scan learns from the names what the lake holds.
func (w *Writer) scan() error {
	hours, err := listHours(w.o.Dir)
	if err != nil {
		return err
	}
	for _, hour := range hours {
		names, err := listHour(filepath.Join(w.o.Dir, hour))
		if err != nil {
			return err
		}
		for _, n := range names {
			if n.spool != "" {
				w.heldIn(hour, n.spool).add(span{n.from, n.to})
			}
		}
	}
	return nil
}

// listHours returns the names of the hour folders, in order.
func listHours(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var hours []string
	for _, e := range entries {
		if _, ok := parseHour(e.Name()); ok && e.IsDir() {
			hours = append(hours, e.Name())
		}
	}
	return hours, nil
}

// heldIn returns the positions of a spool that an hour's files hold. w.mu is
// held, or nobody else knows w yet.
func (w *Writer) heldIn(hour, spool string) *spans {
	k := hourSpool{hour, spool}
	if w.held[k] == nil {
		w.held[k] = new(spans)
	}
	return w.held[k]
}

// Write stores the records of positions [from, to) of a spool durably before
// it returns nil: one file for each hour of event time among them. Each
// record's Position must lie in [from, to); every position in it belongs to
// recs or will never be written.
//
// Rows that are already there are dropped, by position, so a batch may be
// written again after an error or a crash, and cut in other places than the
// first time. On an error some hours may have been written.
func (w *Writer) Write(spoolID string, from, to uint64, recs []record.Record) error {
	if len(spoolID) != idLen || !isHex(spoolID) {
		return fmt.Errorf("write to lake: spool id %q is not %d lower-case hex digits", spoolID, idLen)
	}
	if from >= to {
		return fmt.Errorf("write to lake: positions [%d, %d) are empty", from, to)
	}
	byHour, err := splitByHour(recs, span{from, to})
	if err != nil {
		return fmt.Errorf("write to lake: %w", err)
	}
	for _, h := range byHour {
		if err := w.writeHour(spoolID, span{from, to}, h); err != nil {
			return fmt.Errorf("write to lake: %w", err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done[spoolID] == nil {
		w.done[spoolID] = new(spans)
	}
	w.done[spoolID].add(span{from, to})
	return nil
}

// hourRows are the rows of a batch whose event time is in one hour.
type hourRows struct {
	hour      string
	rows      []*record.Record
	positions []uint64
}

// splitByHour groups a batch by hour, in order of first appearance.
func splitByHour(recs []record.Record, s span) ([]*hourRows, error) {
	var hours []*hourRows
	var last *hourRows
	var lastHour time.Time
	for i := range recs {
		r := &recs[i]
		p, ok := parsePosition(r.Position)
		if !ok || p < s.from || p >= s.to {
			return nil, fmt.Errorf("record %d of the batch has position %q, which is not in [%d, %d)", i, r.Position, s.from, s.to)
		}
		t := eventHour(r)
		if last == nil || !t.Equal(lastHour) {
			name := hourName(t)
			j := slices.IndexFunc(hours, func(h *hourRows) bool { return h.hour == name })
			if j < 0 {
				j = len(hours)
				hours = append(hours, &hourRows{hour: name})
			}
			last, lastHour = hours[j], t
		}
		last.rows = append(last.rows, r)
		last.positions = append(last.positions, p)
	}
	return hours, nil
}

// eventHour is the hour a record is filed under: that of its event time, or of
// its arrival when the former is absent or has no place in a folder name or in
// a column of microseconds.
func eventHour(r *record.Record) time.Time {
	t := r.Timestamp
	if y := t.UTC().Year(); !r.Has(record.Timestamp) || y < 1970 || y > 9999 {
		t = r.Received
	}
	return t.UTC().Truncate(time.Hour)
}

// writeHour writes the rows of one hour that are not there yet.
func (w *Writer) writeHour(spoolID string, s span, h *hourRows) error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errors.New("the lake is closed")
	}
	missing := w.heldIn(h.hour, spoolID).missing(s)
	w.mu.Unlock()
	for _, m := range missing {
		rows := make([]*record.Record, 0, len(h.rows))
		for i, p := range h.positions {
			if m.from <= p && p < m.to {
				rows = append(rows, h.rows[i])
			}
		}
		if len(rows) == 0 {
			continue
		}
		sortByTime(rows)
		if err := w.writeFile(h.hour, name{spool: spoolID, from: m.from, to: m.to}, rows); err != nil {
			return err
		}
		w.mu.Lock()
		w.heldIn(h.hour, spoolID).add(m)
		w.mu.Unlock()
	}
	return nil
}

// writeFile publishes rows, ordered by time, as one file.
func (w *Writer) writeFile(hour string, n name, rows []*record.Record) error {
	dir := filepath.Join(w.o.Dir, hour)
	if err := makeDir(dir); err != nil {
		return err
	}
	e := w.encoder()
	if err := publish(filepath.Join(dir, n.String()), time.Time{}, func(out io.Writer) error {
		e.reset(out)
		if err := e.write(rows); err != nil {
			return err
		}
		return e.close()
	}); err != nil {
		return err // e is dropped: its state is unknown
	}
	w.release(e)
	return nil
}

// encoder takes a free encoder or makes one.
func (w *Writer) encoder() *encoder {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.encoders); n > 0 {
		e := w.encoders[n-1]
		w.encoders = w.encoders[:n-1]
		return e
	}
	return newEncoder()
}

// release gives an encoder back. Two are kept: one that writes, one that merges.
func (w *Writer) release(e *encoder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.encoders) < 2 {
		w.encoders = append(w.encoders, e)
	}
}

// Close ends the Writer and gives up the lake lock. It waits for a Maintain
// that runs; cancel that one's context to have it end soon.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.maintain.Lock()
	defer w.maintain.Unlock()
	return w.unlock()
}

// WriteReplayed stores records whose positions lie among those of batches that
// were written without them, such as dead letters sent again: each run of
// neighbouring positions is filed under an id made from the spool's, and a row
// that was replayed before is dropped. Otherwise it is as Write.
func (w *Writer) WriteReplayed(spoolID string, from, to uint64, recs []record.Record) error {
	sum := sha256.Sum256([]byte("replay of " + spoolID))
	id := hex.EncodeToString(sum[:])[:idLen]
	sorted := slices.Clone(recs)
	slices.SortFunc(sorted, func(a, b record.Record) int { return strings.Compare(a.Position, b.Position) })
	sorted = slices.CompactFunc(sorted, func(a, b record.Record) bool { return a.Position == b.Position })
	for len(sorted) > 0 {
		p, ok := parsePosition(sorted[0].Position)
		if !ok || p < from || p >= to {
			return fmt.Errorf("write to lake: replayed position %q is not in [%d, %d)", sorted[0].Position, from, to)
		}
		n := 1
		for n < len(sorted) {
			q, ok := parsePosition(sorted[n].Position)
			if !ok || q != p+uint64(n) {
				break
			}
			n++
		}
		if err := w.Write(id, p, p+uint64(n), sorted[:n]); err != nil {
			return err
		}
		sorted = sorted[n:]
	}
	return nil
}
