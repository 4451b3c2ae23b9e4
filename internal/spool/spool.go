package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Spool is a durable queue of opaque payloads. It is safe for concurrent use.
//
// Locks are taken in this order: syncMu or reclaimMu, Cursor.mu, mu.
type Spool struct {
	o       Options
	id      uint64
	log     *slog.Logger
	lock    *os.File
	cursors map[string]*Cursor
	live    uint64 // records from here on were appended by this process

	syncMu    sync.Mutex // held through a sync pass
	reclaimMu sync.Mutex // held while spent segments are removed

	dirty chan struct{} // something is unsynced, or the spool is full
	kick  chan struct{} // so much that the interval is not waited for
	quit  chan struct{}
	done  chan struct{} // closed when the sync goroutine has ended

	mu       sync.Mutex
	segments []*segment // in order of number
	active   *segment   // the last of them; nil after a failure to create one
	next     uint32     // number of the next segment; never goes back
	bytes    int64      // sum of the segments' sizes
	unsynced int64      // bytes appended and not synced
	setAside int        // damaged files that left the queue
	lost     int64      // records found damaged
	failing  error      // why the last sync pass failed; nil when it did not
	full     fullness
	owners   map[string]*account
	crowded  bool // an owner was refused since room was last made
	closed   bool
	wake     chan struct{} // closed and replaced when a waiting Next should look again

	// Seams for tests of disks that fail; set before anything else happens.
	write   func(f *os.File, b []byte, off int64) (int, error)
	sync    func(f *os.File) error
	syncDir func(dir string) error
}

// Open opens or creates the spool in o.Dir and takes its lock. It cuts torn
// tails off, continues in a new segment, and returns ErrLocked when another
// process holds the directory, and ErrNewer, having changed nothing, when a newer
// release wrote there. A full disk does not keep it from opening.
func Open(o Options) (*Spool, error) { return open(o, nil) }

// open lets tests prepare the spool before it touches the disk.
func open(o Options, prepare func(*Spool)) (*Spool, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	o = o.withDefaults()
	s := &Spool{
		o: o, log: o.Logger, cursors: map[string]*Cursor{}, owners: map[string]*account{},
		dirty: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}),
		write: func(f *os.File, b []byte, off int64) (int, error) { return f.WriteAt(b, off) },
		sync:  dataSync, syncDir: syncDir,
	}
	if prepare != nil {
		prepare(s)
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, err)
	}
	if err := refuseNewer(o.Dir); err != nil { // before the lock: its file says how the last process ended
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, err)
	}
	lock, orderly, err := takeLock(o.Dir)
	if err != nil {
		return nil, err
	}
	s.lock = lock
	if err := s.load(orderly); err != nil {
		s.closeFiles()
		return nil, errors.Join(fmt.Errorf("open spool %s: %w", o.Dir, err), dropLock(lock))
	}
	s.reclaim()
	go s.syncLoop()
	return s, nil
}

// makeDir creates the directory so that a power cut does not undo it.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

// load reads what is on disk and makes it ready to be continued. orderly says
// that the last process closed the spool.
func (s *Spool) load(orderly bool) error {
	l, err := list(s.o.Dir)
	if err != nil {
		return err
	}
	for _, t := range l.temps {
		if err := os.Remove(t); err != nil {
			return err
		}
	}
	if s.id, err = loadID(s.o.Dir, l); err != nil {
		return err
	}
	s.next = 1
	for i, sf := range slices.Backward(l.segments) {
		if i == len(l.segments)-1 {
			if sf.no == 1<<32-1 {
				return errNumbers
			}
			s.next = sf.no + 1
		}
		sealed, err := s.recover(sf, orderly)
		if err != nil {
			return err
		}
		orderly = orderly || sealed
	}
	slices.Reverse(s.segments)
	if err := s.loadCursors(l); err != nil {
		return err
	}
	s.live = position(s.next, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.rotate(); err != nil && !diskFull(err) {
		return err
	} else if err != nil {
		s.full.begin(s, err)
	} else if err := s.syncDir(s.o.Dir); err != nil {
		return err
	} else {
		s.active.fresh = false
	}
	return nil
}

// loadCursors opens the cursors of this run.
func (s *Spool) loadCursors(l listing) error {
	oldest := position(s.next, 0)
	if len(s.segments) > 0 {
		oldest = position(s.segments[0].no, 0)
	}
	for _, name := range s.o.Cursors {
		c, err := openCursor(s, name, oldest)
		if err != nil {
			return err
		}
		s.cursors[name] = c
	}
	for _, name := range l.cursors {
		if s.cursors[name] == nil {
			s.log.Warn("cursor on disk is not in use; it is kept and holds no segment back", "cursor", name, "dir", s.o.Dir)
		}
	}
	return nil
}

// loadID reads the spool's id, or makes one for a new directory. A lost id file
// is made again from any segment header: the records depend on it.
func loadID(dir string, l listing) (uint64, error) {
	id, err := readID(dir, l)
	if err != nil || id != 0 {
		return id, err
	}
	for id == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
		id = binary.LittleEndian.Uint64(b[:])
	}
	return id, writeID(dir, id)
}

func writeID(dir string, id uint64) error {
	if err := writeFile(filepath.Join(dir, idName), fmt.Appendf(nil, "%016x\n", id)); err != nil {
		return fmt.Errorf("write spool id: %w", err)
	}
	return nil
}

// readID returns the id without changing anything; 0 means that there is none,
// in the file or in any segment.
func readID(dir string, l listing) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, idName))
	if err == nil {
		id, err := strconv.ParseUint(strings.TrimSpace(string(b)), 16, 64)
		if err == nil && id != 0 {
			return id, nil
		}
	} else if !gone(err) {
		return 0, fmt.Errorf("read spool id: %w", err)
	}
	for _, sf := range l.segments {
		f, err := os.Open(sf.path)
		if err != nil {
			continue
		}
		head := make([]byte, segmentHead)
		readAround(f, head, 0)
		_ = f.Close()
		if h, ok := decodeHead(head); ok {
			return h.id, nil
		}
	}
	return 0, nil
}

// ID is the spool's own 64 random bits as 16 hex digits, made once when the
// directory is created.
func (s *Spool) ID() string { return fmt.Sprintf("%016x", s.id) }

// Position formats a position as fixed-width text: the spool id, a dash and 16
// hex digits, of which the first eight are the name of the segment and the last
// eight the offset in it. Text order is position order.
func Position(id string, p uint64) string {
	b := make([]byte, 0, len(id)+17)
	b = append(b, id...)
	b = append(b, '-')
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[p>>shift&15])
	}
	return string(b)
}

// Cursor returns a cursor named in Options.Cursors, and nil for any other name.
func (s *Spool) Cursor(name string) *Cursor { return s.cursors[name] }

// Close syncs, persists the cursors and releases the lock. Calls that wait end:
// Next with io.EOF, Append with ErrClosed. What is queued stays on disk. A
// second Close does nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.broadcast()
	s.mu.Unlock()
	close(s.quit)
	<-s.done

	var problems []error
	if err := s.syncPass(); err != nil {
		problems = append(problems, err)
	}
	for _, name := range s.o.Cursors {
		if err := s.cursors[name].persist(); err != nil {
			problems = append(problems, fmt.Errorf("persist cursor %s: %w", name, err))
		}
	}
	s.reclaim()
	s.closeFiles()
	problems = append(problems, dropLock(s.lock))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}

// closeFiles closes what is open for writing, and seals what can be sealed.
func (s *Spool) closeFiles() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = nil
	for _, g := range s.segments {
		if g.f != nil {
			if g.synced == g.end && g.records > 0 {
				s.seal(g)
				continue
			}
			_ = g.f.Close()
			g.f = nil
		}
	}
	for _, c := range s.cursors {
		_ = c.log.close()
	}
}

// broadcast lets every waiting Next look again. mu is held.
func (s *Spool) broadcast() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// signal puts a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// now is the append time of a record.
func now() int64 { return time.Now().UnixNano() }
