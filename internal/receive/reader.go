package receive

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// Buffer sizes. A plain connection reads up to 256 KiB a call, which keeps the
// cost of the call and of the handler small under load. A TLS connection starts
// with a small buffer of its own and gets one that holds a whole record (16 KiB)
// when it fills the small one.
const (
	plainBuffer = 256 << 10
	tlsBuffer   = 16 << 10
	firstBuffer = 1 << 10
)

var buffers = sync.Pool{New: func() any { b := make([]byte, plainBuffer); return &b }}

// reader reads a connection. For plain TCP it holds one of the pooled buffers
// only while there is something in it: hundreds of quiet connections cost no
// memory.
type reader struct {
	net  net.Conn
	raw  syscall.RawConn // nil for layered connections
	buf  *[]byte         // pooled buffer in use, or own buffer
	own  bool
	slow bool                  // of the present read
	fill func(fd uintptr) bool // one for the life of the connection: no allocation per read
	n    int
	err  error
}

func newReader(c net.Conn) *reader {
	r := &reader{net: c}
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			r.raw, r.fill = raw, r.readNow
			return r
		}
	}
	b := make([]byte, firstBuffer)
	r.buf, r.own = &b, true
	return r
}

// next returns the next bytes of the stream, or the next one if slow is set;
// they are valid until release.
func (r *reader) next(slow bool) ([]byte, error) {
	if r.slow = slow; r.own {
		b := *r.buf
		if slow {
			b = b[:1]
		}
		n, err := r.net.Read(b)
		if n == firstBuffer && len(b) == firstBuffer {
			bigger := make([]byte, tlsBuffer)
			r.buf = &bigger
		}
		return b[:n], err
	}
	r.n, r.err = 0, nil
	if err := r.raw.Read(r.fill); err != nil {
		return nil, err // deadline, or closed
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.n == 0 {
		return nil, io.EOF
	}
	return (*r.buf)[:r.n], nil
}

// readNow reads without waiting; false makes the runtime wait until the socket
// is readable and call again.
func (r *reader) readNow(fd uintptr) bool {
	r.buf = buffers.Get().(*[]byte)
	b := *r.buf
	if r.slow {
		b = b[:1]
	}
	for {
		r.n, r.err = syscall.Read(int(fd), b)
		if r.err != syscall.EINTR {
			break
		}
	}
	if r.n < 0 {
		r.n = 0
	}
	if r.err == syscall.EAGAIN {
		r.release()
		return false
	}
	return true
}

// release gives the buffer back.
func (r *reader) release() {
	if !r.own && r.buf != nil {
		buffers.Put(r.buf)
		r.buf = nil
	}
}
