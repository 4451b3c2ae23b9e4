package ship_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edgewarden/internal/record"
	"edgewarden/internal/ship"
)

var sameAddr = cmpopts.EquateComparable(netip.AddrPort{})

func TestAnEnvelopeComesBackAsItWent(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
	for name, e := range map[string]ship.Envelope{
		"nothing in it": {},
		"a usual line":  {Received: at, Sender: record.SenderToken, Conn: 7, Remote: netip.MustParseAddrPort("192.0.2.1:6514"), Line: []byte("<134>x")},
		"every field": {Received: at, Sender: record.SenderMTLS, Conn: 1 << 60, Remote: netip.MustParseAddrPort("[2001:db8::1]:1"), ServiceID: "SVC1",
			Length: 1 << 30, Cut: true, Unterminated: true, Heartbeat: true, Line: bytes.Repeat([]byte{0, 255}, 40_000)},
		"a sender of its own":    {Sender: "somebody else", Line: []byte("x")},
		"an address with a zone": {Remote: netip.MustParseAddrPort("[fe80::1%eth0]:9")},
		"a mapped address":       {Remote: netip.MustParseAddrPort("[::ffff:192.0.2.1]:9")},
		"before 1970":            {Received: time.Date(1901, 1, 1, 0, 0, 0, 1, time.UTC)},
		"far from now":           {Received: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			b := e.Append([]byte("before"))
			got, err := ship.DecodeEnvelope(b[len("before"):])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, got, sameAddr, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAUsualEnvelopeCostsFewBytes(t *testing.T) {
	l := line(1)
	if over := len(envelope(l)) - len(l); over > 24 {
		t.Errorf("%d bytes beside the line, want at most 24", over)
	}
}

func TestAZoneOfAnAbsurdLengthCostsTheAddressNotTheLine(t *testing.T) {
	e := ship.Envelope{Remote: netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(strings.Repeat("z", 300)), 1), Line: []byte("kept")}
	got, err := ship.DecodeEnvelope(e.Append(nil))
	if err != nil || string(got.Line) != "kept" || got.Remote.IsValid() {
		t.Errorf("got %+v, error %v; want the line without an address", got, err)
	}
}

func TestDamagedEnvelopesAreErrors(t *testing.T) {
	whole := (&ship.Envelope{Received: received, Sender: "x", Conn: 300, Remote: netip.MustParseAddrPort("192.0.2.1:1"), ServiceID: "SVC1", Length: 9}).Append(nil)
	for n := range whole { // every cut of an envelope without line is short of something
		if _, err := ship.DecodeEnvelope(whole[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes, no error", n, len(whole))
		}
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"another version":        {[]byte{2, 0, 4, 0, 0}, "version 2"},
		"an unknown flag":        {[]byte{1, 0x80, 4, 0, 0}, "flags"},
		"an unknown sender":      {[]byte{1, 0, 99, 0, 0}, "sender 99"},
		"a length of nothing":    {[]byte{1, 4, 4, 0, 0, 0}, "length"},
		"an address of one byte": {[]byte{1, 0, 4, 0, 1, 1}, "address"},
		"a second too many":      {[]byte{1, 1, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03, 4, 0, 0}, "nanoseconds"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ship.DecodeEnvelope(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// Whatever decodes encodes to an envelope that decodes to the same.
func FuzzEnvelope(f *testing.F) {
	f.Add(envelope(line(1)))
	f.Add((&ship.Envelope{Sender: "x", ServiceID: "SVC1", Length: 5, Cut: true}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ship.DecodeEnvelope(b)
		if err != nil {
			return
		}
		again, err := ship.DecodeEnvelope(e.Append(nil))
		if err != nil {
			t.Fatalf("%+v does not decode again: %v", e, err)
		}
		if diff := cmp.Diff(e, again, sameAddr, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
