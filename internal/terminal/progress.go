package terminal

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Progress says on stderr what a program is busy with once that has taken a second: on a terminal one line that is drawn over
// and wiped away, elsewhere a log line a step, and another every half minute. It never writes to stdout. A nil Progress says nothing.
type Progress struct {
	mu     sync.Mutex
	w      io.Writer
	log    *slog.Logger
	live   bool // draw over
	width  int
	step   string
	begun  time.Time
	done   int
	of     int
	said   time.Time // when this step was last logged; zero when it was not
	drawn  bool      // something stands on the line
	stop   chan struct{}
	ended  chan struct{}
	closer sync.Once
}

// patience is how long a step may take in silence, again how long a log is left alone after a line.
const (
	patience = time.Second
	again    = 30 * time.Second
)

// NewProgress watches from now on. live says that w is a terminal whose line may be drawn over; otherwise log is told. Close
// must be called.
func NewProgress(w io.Writer, live bool, width int, log *slog.Logger) *Progress {
	p := &Progress{w: w, log: log, live: live, width: width, stop: make(chan struct{}), ended: make(chan struct{})}
	go p.watch()
	return p
}

// Step begins a step, such as "reading entries".
func (p *Progress) Step(name string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.step, p.begun, p.done, p.of, p.said = name, time.Now(), 0, 0, time.Time{}
}

// Count says how far a step is.
func (p *Progress) Count(done, of int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.of = done, of
}

// Write makes a Progress the writer of a log on the same stream: what stands on the line is wiped away first.
func (p *Progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	return p.w.Write(b)
}

// Before gives a writer that ends the step before each write: for stdout, which may be the same terminal.
func (p *Progress) Before(w io.Writer) io.Writer { return before{p, w} }

type before struct {
	p *Progress
	w io.Writer
}

// Write implements io.Writer.
func (b before) Write(text []byte) (int, error) {
	b.p.Step("")
	return b.w.Write(text)
}

// Close ends it and leaves the line empty. A second call does nothing.
func (p *Progress) Close() {
	if p == nil {
		return
	}
	p.closer.Do(func() {
		close(p.stop)
		<-p.ended
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wipe()
	})
}

func (p *Progress) watch() {
	defer close(p.ended)
	tick := time.NewTicker(patience / 4)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.tell()
		}
	}
}

// tell draws or logs the step, when it has taken long enough.
func (p *Progress) tell() {
	p.mu.Lock()
	took := time.Since(p.begun)
	if p.step == "" || took < patience {
		p.mu.Unlock()
		return
	}
	text := p.step
	if p.of > 0 {
		text += fmt.Sprintf(" %d/%d", p.done, p.of)
	}
	if p.done > 0 && p.done < p.of {
		text += fmt.Sprintf(", about %s left", time.Duration(float64(took)/float64(p.done)*float64(p.of-p.done)).Round(time.Second))
	}
	if p.live {
		p.wipe()
		fmt.Fprint(p.w, Cut(fmt.Sprintf("%s … %d s", text, int(took.Seconds())), max(p.width-1, 0)))
		p.drawn = true
	}
	say := !p.live && (p.said.IsZero() || time.Since(p.said) >= again)
	if say {
		p.said = time.Now()
	}
	p.mu.Unlock() // the log may write through this Progress
	if say && p.log != nil {
		p.log.Info("busy", "with", text)
	}
}

// wipe clears the line.
func (p *Progress) wipe() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}
