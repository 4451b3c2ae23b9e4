package receive

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// A connection must be silent for two of these before it is closed on shutdown.
// Two, since a deadline may have passed while this process was kept from
// running, with bytes to read: a second look finds them.
const quiet = 125 * time.Millisecond

// How long a connection that reached its age is read on when its sender does
// not heed the half close: so long (but not longer than the age) until the next
// moment at which no line is half read ends it, and as long again until any does.
const ageGrace = 10 * time.Second

// exit is how a connection takes its leave.
type exit struct {
	aged    bool      // it reached its age
	leaving bool      // the sender was told
	quietAt time.Time // when the present quiet interval ends
	silent  int       // intervals without a byte; at the second it ends
	by      time.Time // an aged one ends at the next line's end from here on
	slow    bool      // read byte by byte, so as not to read past that end
}

// setAge arms the deadline that ends a connection for its age. The read loop
// looks whether the server drains after it, so a wake is not lost.
func (c *conn) setAge() {
	if age := c.s.o.MaxAge; age > 0 {
		c.raw.SetReadDeadline(c.opened.Add(age - rand.N(age/10+1)))
	}
}

// ending names how a connection ended, when that deserves a count of its own.
func (c *conn) ending(err error) (string, error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), c.s.draining.Load():
		return "", nil
	case c.bytes == 0:
		return reasonProbe, nil
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // the latter: TLS without close_notify
		return "", nil
	}
	return reasonBroken, err
}

// goesOn says what a deadline means: the server drains, the age is reached, or
// (then it is over) a connection that takes its leave has fallen silent.
func (c *conn) goesOn() bool {
	if c.exit.leaving {
		if !time.Now().Before(c.exit.quietAt) {
			c.exit.silent++
		}
		return c.exit.silent < 2
	}
	if !c.s.draining.Load() && !c.exit.aged {
		c.exit.aged = true
		c.exit.by = time.Now().Add(c.grace())
		c.s.m.aged.Inc()
	}
	return true
}

func (c *conn) grace() time.Duration { return min(ageGrace, c.s.o.MaxAge) }

// leaves tells the sender, once, that nothing more is read here, so that it
// turns to another receiver. Senders that do not look are given the quiet
// interval.
func (c *conn) leaves() bool {
	if c.exit.leaving || !c.exit.aged && !c.s.draining.Load() {
		return c.exit.leaving
	}
	c.exit.leaving = true
	type closer interface{ CloseWrite() error }
	if t, ok := c.net.(closer); ok {
		t.CloseWrite()
	} else if t, ok := c.raw.(closer); ok {
		t.CloseWrite()
	}
	return true
}

// stays arms the deadline that ends a leaving connection fallen silent; false
// means stop now. whole says that no line is half read.
func (c *conn) stays(whole bool) bool {
	now := time.Now()
	c.exit.quietAt = now.Add(quiet)
	c.raw.SetReadDeadline(c.exit.quietAt)
	if over := now.Sub(c.exit.by); c.exit.aged && over > 0 {
		if whole || over > c.grace() {
			return false
		}
		c.exit.slow = true
	}
	return !c.s.forced.Load()
}
