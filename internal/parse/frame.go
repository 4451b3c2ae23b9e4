package parse

import "bytes"

// DefaultMaxLine is the number of bytes kept of a line when
// [FramerOptions.MaxLine] is 0. Fastly's own limit is 16 KB a line.
const DefaultMaxLine = 64 << 10

// Frame is one line cut out of a connection's bytes. Line is valid until emit
// returns.
type Frame struct {
	Line         []byte // without token, octet count and line end
	Length       int    // length of the line before it was cut, in bytes
	Cut          bool   // longer than MaxLine; Line holds its beginning
	Unterminated bool   // the stream ended inside it
	Token        bool   // a configured token stood before it
}

// FramerOptions configure a Framer.
type FramerOptions struct {
	MaxLine int // bytes kept of a line; 0 means DefaultMaxLine

	// Tokens are the accepted tokens, at most two (rotation); none means no
	// token is looked for. Empty ones are ignored. A token holds no line feed
	// and begins with no line end, NUL or "<".
	Tokens [][]byte
}

// Framer cuts a byte stream into frames. Where it cuts depends on the bytes
// alone, never on how they were split into reads. A line that is too long is
// cut and the stream goes on after its end.
//
//	frame  = [token [SP]] ( counted / line )
//	counted = count SP octets           ; octets begin with "<", or with a token
//	line   = *byte LF                   ; CR and NUL before LF are dropped
//
// A count is 1 to [MaxCount] without leading zeros (RFC 6587 section 3.4.1);
// anything else that begins with digits is an ordinary line, so that a message
// such as "404 not found" is no count.
type Framer struct {
	max    int
	tokens tokens

	state  state
	head   []byte // beginning of a frame whose framing is not decided yet
	kept   []byte // what earlier reads brought of the frame, at most max bytes
	token  bool   // a token stood before this frame
	total  int    // bytes of the frame seen so far
	tail   int    // how many of the last of them are line-end bytes
	octets int    // octets still to come, when counted
}

type state uint8

const (
	undecided state = iota
	inLine
	inOctets
)

// bigBuffer is the size above which a buffer is given back after its frame, so
// that ten thousand idle connections do not hold a long line each.
const bigBuffer = 8 << 10

// NewFramer returns a framer for one connection.
func NewFramer(o FramerOptions) *Framer {
	f := &Framer{max: o.MaxLine, tokens: newTokens(o.Tokens)}
	if f.max <= 0 {
		f.max = DefaultMaxLine
	}
	return f
}

// Feed takes the next bytes of the stream and calls emit for every frame they
// complete. It keeps no reference to p.
func (f *Framer) Feed(p []byte, emit func(Frame)) {
	for len(p) > 0 {
		switch f.state {
		case undecided:
			p = f.begin(p, emit)
		case inLine:
			p = f.line(p, emit)
		case inOctets:
			p = f.counted(p, emit)
		}
	}
}

// Close ends the stream and emits what is left as an unterminated frame. The
// framer may then be used for another stream.
func (f *Framer) Close(emit func(Frame)) {
	for f.state == undecided && len(f.head) > 0 {
		head := f.head
		f.head = nil
		f.Feed(head[f.start(f.tokens.decide(head, f.max, true)):], emit)
	}
	if f.state != undecided {
		f.finish(f.kept, true, emit)
	}
	f.head, f.kept = nil, nil
}

// begin decides the framing of the next frame, or keeps p until more is there.
func (f *Framer) begin(p []byte, emit func(Frame)) []byte {
	if len(f.head) == 0 {
		for len(p) > 0 && lineEnd(p[0]) {
			p = p[1:]
		}
		if len(p) == 0 {
			return nil
		}
		d := f.tokens.decide(p, f.max, false)
		if d.more {
			f.head = append(f.head, p...)
			return nil
		}
		return p[f.start(d):]
	}
	// decide asks for no more than headMax bytes, so this loop ends.
	n := min(len(p), f.tokens.headMax-len(f.head))
	f.head = append(f.head, p[:n]...)
	d := f.tokens.decide(f.head, f.max, false)
	if !d.more {
		rest := f.head[f.start(d):]
		f.head = f.head[:0]
		// The head may hold the whole frame and the beginning of the next,
		// which is then moved down within the same buffer.
		f.Feed(rest, emit)
	}
	return p[n:]
}

// start enters the frame that d describes and returns how many bytes to skip.
func (f *Framer) start(d decision) int {
	f.token = d.token
	f.octets = d.octets
	f.total, f.tail = 0, 0
	switch {
	case !d.counted:
		f.state = inLine
	case d.octets > 0:
		f.state = inOctets
	default: // a token and nothing else
		f.state = undecided
	}
	return d.skip
}

// line continues a frame that ends with LF.
func (f *Framer) line(p []byte, emit func(Frame)) []byte {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		f.keep(p)
		return nil
	}
	f.complete(p[:i], emit)
	return p[i+1:]
}

// counted continues a frame whose length was given.
func (f *Framer) counted(p []byte, emit func(Frame)) []byte {
	if len(p) < f.octets {
		f.octets -= len(p)
		f.keep(p)
		return nil
	}
	n := f.octets
	f.complete(p[:n], emit)
	return p[n:]
}

// complete ends the frame with its last piece, without a copy when that is the
// whole of it.
func (f *Framer) complete(last []byte, emit func(Frame)) {
	if f.total > 0 {
		f.keep(last)
		f.finish(f.kept, false, emit)
		return
	}
	f.measure(last)
	f.finish(last[:min(len(last), f.max)], false, emit)
}

func (f *Framer) keep(p []byte) {
	f.measure(p)
	f.kept = append(f.kept, p[:min(len(p), f.max-len(f.kept))]...)
}

// measure counts p into the frame's length and its trailing line-end bytes.
func (f *Framer) measure(p []byte) {
	n := len(p)
	for n > 0 && (lineEnd(p[n-1])) {
		n--
	}
	if n > 0 {
		f.tail = 0
	}
	f.tail += len(p) - n
	f.total += len(p)
}

// finish emits the frame unless it is empty, and forgets it.
func (f *Framer) finish(line []byte, unterminated bool, emit func(Frame)) {
	length := f.total - f.tail
	token := f.token
	f.state, f.total, f.tail, f.octets, f.token = undecided, 0, 0, 0, false
	if length > 0 {
		line = line[:min(len(line), length)]
		emit(Frame{
			Line:         line,
			Length:       length,
			Cut:          length > f.max,
			Unterminated: unterminated,
			Token:        token || f.tokens.inStructuredData(line),
		})
	}
	if cap(f.kept) > bigBuffer {
		f.kept = nil
	}
	f.kept = f.kept[:0]
}

// lineEnd reports whether c ends a line or pads one: some relays end frames
// with NUL (RFC 6587 section 3.4.2), Windows tools with CR LF.
func lineEnd(c byte) bool { return c == '\n' || c == '\r' || c == 0 }
