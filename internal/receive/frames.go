package receive

import (
	"sync"
	"time"

	"edgewarden/internal/parse"
)

// maxFrames is how many frames are handed out at once: far more than a read of
// ordinary lines holds, and little enough that a sender of empty ones cannot
// make a read grow to many times its size.
const maxFrames = 4096

// work collects what one read brings. It is borrowed for the read only.
type work struct {
	frames []parse.Frame
	copies []byte // lines among them that are not in the read buffer
}

var works = sync.Pool{New: func() any { return new(work) }}

// take collects a frame for the handler. The framer's promise for a line ends
// with emit; one that lies in the read buffer stays until the buffer is given
// back, and the few that do not (put together from two reads) are copied.
func (c *conn) take(f parse.Frame, buf []byte) {
	if c.work == nil {
		c.work = works.Get().(*work)
	}
	w := c.work
	if !within(f.Line, buf) {
		at := len(w.copies)
		w.copies = append(w.copies, f.Line...)
		f.Line = w.copies[at:len(w.copies):len(w.copies)]
	}
	w.frames = append(w.frames, f)
	if f.Cut {
		c.tally.cut++
	}
	if f.Unterminated {
		c.tally.unterminated++
	}
	if len(w.frames) == maxFrames {
		c.deliver()
	}
}

// within says whether line is a part of buf that nothing but buf's capacity ends.
func within(line, buf []byte) bool {
	at := cap(buf) - cap(line)
	return len(line) > 0 && at >= 0 && at < len(buf) && &buf[at] == &line[0]
}

// deliver hands the collected frames to the handler: one call for all of a read.
func (c *conn) deliver() {
	w := c.work
	if w == nil {
		if c.tally.bytes > 0 {
			c.s.m.read(c.tally, time.Time{})
			c.tally = tally{}
		}
		return
	}
	now := time.Now()
	c.tally.lines = int64(len(w.frames))
	if c.foreign {
		c.tally.foreign = c.tally.lines
	}
	c.s.m.read(c.tally, now)
	c.tally = tally{}
	if kept := c.authenticated(w.frames); len(kept) > 0 {
		if !c.proven {
			c.proven = true
			c.s.heard(c)
		}
		c.s.o.Handler(c.src, now, kept)
	}
	c.work = nil
	clear(w.frames)
	w.frames, w.copies = w.frames[:0], w.copies[:0]
	if cap(w.copies) <= plainBuffer { // a few very long lines are not kept
		works.Put(w)
	}
}

// authenticated is what of frames may be kept; the rest is counted.
func (c *conn) authenticated(frames []parse.Frame) []parse.Frame {
	if !c.auth {
		return frames
	}
	kept := frames[:0]
	for _, f := range frames {
		if f.Token {
			kept = append(kept, f)
		}
	}
	if refused := len(frames) - len(kept); refused > 0 {
		c.s.refuse(refused, c.remote())
	}
	return kept
}
