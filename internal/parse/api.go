package parse

import (
	"time"

	"edgewarden/internal/record"
)

// Frame is one line cut out of a connection's bytes. Line is valid until the
// framer is fed again.
type Frame struct {
	Line         []byte // without token, octet count and line end
	Length       int    // length of the line before it was cut, in bytes
	Cut          bool   // longer than MaxLine; Line holds its beginning
	Unterminated bool   // the stream ended inside it
	Token        bool   // a configured token stood before it
}

// FramerOptions configure a Framer.
type FramerOptions struct {
	MaxLine int      // bytes kept of a line; 0 means 64 KiB
	Tokens  [][]byte // accepted tokens, at most two (rotation); none means no token is looked for
}

// Framer cuts a byte stream into frames.
type Framer struct{}

// NewFramer returns a framer for one connection.
func NewFramer(o FramerOptions) *Framer { panic("stub") }

// Feed takes the next bytes of the stream and calls emit for every frame completed.
func (f *Framer) Feed(p []byte, emit func(Frame)) { panic("stub") }

// Close ends the stream and emits what is left as an unterminated frame.
func (f *Framer) Close(emit func(Frame)) { panic("stub") }

// Meta is what is known of a line besides its bytes.
type Meta struct {
	Received     time.Time
	Sender       string // a record.Sender… value
	ServiceID    string // stamped on lines that carry no service; may be empty
	Position     string
	Cut          bool // as in Frame
	Length       int
	Unterminated bool
}

// Parser turns lines into records. Not safe for concurrent use; reuse it.
type Parser struct{}

// New returns a Parser.
func New() *Parser { panic("stub") }

// Parse fills rec from line, overwriting all of it. Strings in rec do not alias line. It never fails: a
// line that is not understood becomes a record of kind text with its Problem.
func (p *Parser) Parse(line []byte, m Meta, rec *record.Record) { panic("stub") }
