package ship

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"edgewarden/internal/record"
)

// Envelope is what the spool holds for a line: the redacted line and what is
// known of it besides.
type Envelope struct {
	Received     time.Time      // when ingest read the line; kept to the nanosecond, in UTC
	Sender       string         // a record.Sender… value
	Conn         uint64         // number of the connection in the process that received it
	Remote       netip.AddrPort // the sender's address; may be the zero value
	ServiceID    string         // stamped by the port; may be empty
	Length       int            // original length in bytes; 0 means len(Line)
	Cut          bool           // the line was longer than the limit; Line is its beginning
	Unterminated bool           // the connection ended inside the line
	Heartbeat    bool           // Line is a JSON object of counters made by ingest itself
	Line         []byte
}

// The envelope's bytes, version 1:
//
//	byte    version
//	byte    flags
//	varint  received, seconds since 1970     (when flagReceived)
//	uvarint received, nanoseconds            (when flagReceived)
//	byte    sender code; 0: a string follows (uvarint length, bytes)
//	uvarint connection
//	byte    length of the remote address, then its bytes (netip.AddrPort's binary form)
//	string  service id                       (when flagService)
//	uvarint original length                  (when flagLength)
//	…       the line, to the end
const envelopeVersion = 1

const (
	flagReceived = 1 << iota
	flagService
	flagLength
	flagCut
	flagUnterminated
	flagHeartbeat
	knownFlags = 1<<iota - 1
)

// senders are the codes of the known senders; code 0 means none of them.
var senders = [...]string{0: "", 1: record.SenderMTLS, 2: record.SenderToken, 3: record.SenderImport, 4: record.SenderNone}

func senderCode(s string) byte {
	for c := 1; c < len(senders); c++ {
		if senders[c] == s {
			return byte(c)
		}
	}
	return 0
}

// Append appends the envelope's bytes to dst and returns it.
func (e *Envelope) Append(dst []byte) []byte {
	dst = append(dst, envelopeVersion, e.flags())
	if !e.Received.IsZero() {
		dst = binary.AppendVarint(dst, e.Received.Unix())
		dst = binary.AppendUvarint(dst, uint64(e.Received.Nanosecond()))
	}
	code := senderCode(e.Sender)
	dst = append(dst, code)
	if code == 0 {
		dst = appendString(dst, e.Sender)
	}
	dst = binary.AppendUvarint(dst, e.Conn)
	dst = appendRemote(dst, e.Remote)
	if e.ServiceID != "" {
		dst = appendString(dst, e.ServiceID)
	}
	if e.Length > 0 {
		dst = binary.AppendUvarint(dst, uint64(e.Length))
	}
	return append(dst, e.Line...)
}

func (e *Envelope) flags() (f byte) {
	for _, b := range []struct {
		set bool
		bit byte
	}{
		{!e.Received.IsZero(), flagReceived},
		{e.ServiceID != "", flagService},
		{e.Length > 0, flagLength},
		{e.Cut, flagCut},
		{e.Unterminated, flagUnterminated},
		{e.Heartbeat, flagHeartbeat},
	} {
		if b.set {
			f |= b.bit
		}
	}
	return f
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendRemote(dst []byte, a netip.AddrPort) []byte {
	at := len(dst)
	dst = append(dst, 0)
	if !a.IsValid() {
		return dst
	}
	out, err := a.AppendBinary(dst)
	if n := len(out) - at - 1; err == nil && n <= math.MaxUint8 {
		out[at] = byte(n)
		return out
	}
	return dst[:at+1] // a zone of an absurd length: the address is left out
}

// errShort is the error for bytes that end inside a part of the envelope.
var errShort = errors.New("ends early")

// DecodeEnvelope reads what [Envelope.Append] wrote. Line aliases b. Bytes of
// another version, or damaged ones, are an error.
func DecodeEnvelope(b []byte) (Envelope, error) {
	var d decoder
	return d.next(b)
}

// decoder takes parts off the front of b; after the first error all are zero.
type decoder struct {
	b   []byte
	err error

	// service is that of the envelope before, most often the same: it is not
	// allocated again.
	service string
}

// next decodes another envelope.
func (d *decoder) next(b []byte) (Envelope, error) {
	d.b, d.err = b, nil
	e := d.envelope()
	d.b = nil
	if d.err != nil {
		return Envelope{}, fmt.Errorf("decode envelope: %w", d.err)
	}
	return e, nil
}

func (d *decoder) envelope() (e Envelope) {
	if v := d.byte(); d.err == nil && v != envelopeVersion {
		d.err = fmt.Errorf("version %d is not known; it was written by another release: replay it with that one", v)
	}
	flags := d.byte()
	if flags&^knownFlags != 0 {
		d.fail(fmt.Errorf("flags %#x are not known", flags))
	}
	if flags&flagReceived != 0 {
		e.Received = d.time()
	}
	e.Sender = d.sender()
	e.Conn = d.uvarint()
	e.Remote = d.remote()
	if flags&flagService != 0 {
		if p := d.take(d.uvarint()); string(p) != d.service {
			d.service = strings.ToValidUTF8(string(p), "\uFFFD")
		}
		e.ServiceID = d.service
	}
	if flags&flagLength != 0 {
		n := d.uvarint()
		if n == 0 || n > math.MaxInt {
			d.fail(fmt.Errorf("length %d is impossible", n))
		}
		e.Length = int(n)
	}
	e.Cut = flags&flagCut != 0
	e.Unterminated = flags&flagUnterminated != 0
	e.Heartbeat = flags&flagHeartbeat != 0
	e.Line = d.b
	return e
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail(errShort)
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) byte() byte {
	if p := d.take(1); len(p) == 1 {
		return p[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) time() time.Time {
	sec, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return time.Time{}
	}
	d.b = d.b[n:]
	nano := d.uvarint()
	if nano >= uint64(time.Second) {
		d.fail(fmt.Errorf("%d nanoseconds are more than a second", nano))
		return time.Time{}
	}
	return time.Unix(sec, int64(nano)).UTC()
}

func (d *decoder) sender() string {
	c := d.byte()
	if c == 0 {
		return strings.ToValidUTF8(string(d.take(d.uvarint())), "\uFFFD")
	}
	if int(c) >= len(senders) {
		d.fail(fmt.Errorf("sender %d is not known", c))
		return ""
	}
	return senders[c]
}

func (d *decoder) remote() (a netip.AddrPort) {
	p := d.take(uint64(d.byte()))
	if len(p) == 0 {
		return a
	}
	if err := a.UnmarshalBinary(p); err != nil {
		d.fail(fmt.Errorf("remote address: %w", err))
	} else if !a.IsValid() {
		d.fail(errors.New("remote address: a port without an address"))
	}
	return a
}
