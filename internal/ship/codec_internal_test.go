package ship

// Internal, because the codec and the positions are seen from outside only as
// the absence of copies.

import (
	"errors"
	"sync/atomic"
	"testing"
	"unsafe"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/protobuf/proto"

	"edgewarden/internal/spool"
)

func TestAttachedEntriesFollowTheRequestWithoutACopy(t *testing.T) {
	r := sample(t)
	wire := fastOne.append(nil, &r, testNow)
	c := newCodec()
	req := &loggingpb.WriteLogEntriesRequest{LogName: "projects/p/logs/l", PartialSuccess: true}
	c.attach(req, wire)
	out, err := c.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	if last := out[len(out)-1].ReadOnlyData(); unsafe.SliceData(last) != unsafe.SliceData(wire) || len(last) != len(wire) {
		t.Error("the entries were copied")
	}
	var got loggingpb.WriteLogEntriesRequest
	if err := proto.Unmarshal(out.Materialize(), &got); err != nil {
		t.Fatal(err)
	}
	want, _ := slowOne.entry(&r, testNow)
	if got.LogName != req.LogName || !got.PartialSuccess || len(got.Entries) != 1 || !proto.Equal(got.Entries[0], want) {
		t.Errorf("the server reads %v", &got)
	}
	c.detach(req)
	if _, err := c.Marshal(req); !errors.Is(err, errNotAttached) {
		t.Errorf("a request without its entries: error %v, want it not to be sent", err)
	}
	if len(c.entries) != 0 {
		t.Error("a request is kept after its call")
	}
}

// The other messages of the service go as they always do.
func TestOtherMessagesAreEncodedAsUsual(t *testing.T) {
	c := newCodec()
	in := &loggingpb.WriteLogEntriesPartialErrors{}
	out, err := c.Marshal(in)
	if err != nil || len(out.Materialize()) != 0 || c.Name() != "proto" {
		t.Errorf("%v, error %v, name %q", out, err, c.Name())
	}
}

func TestThePositionsOfABatchAreThoseOfTheSpool(t *testing.T) {
	const id = "00c0ffee00c0ffee"
	items := []spool.Item{{Position: 0}, {Position: 1}, {Position: 1<<64 - 1}, {Position: 0x0123456789abcdef}}
	ps := newPositions(id)
	for range 2 {
		ps.set(items)
		for i, it := range items {
			if got, want := ps.at(i), spool.Position(id, it.Position); got != want {
				t.Errorf("position %q, want %q", got, want)
			}
			if gotID, p, ok := splitPosition(ps.at(i)); gotID != id || p != it.Position || !ok {
				t.Errorf("split into %q, %d, %v", gotID, p, ok)
			}
		}
	}
}

// What the API did not take may still be on its way.
func TestABufferIsUsedAgainOnlyWhenTheAPITookIt(t *testing.T) {
	r := sample(t)
	p := packer{encoder: fastOne, usual: new(atomic.Int64)}
	p.add(0, &r, testNow)
	first := unsafe.SliceData(p.part.bytes)
	p.sent(true)
	p.add(0, &r, testNow)
	if unsafe.SliceData(p.part.bytes) != first {
		t.Error("after a success there is another buffer")
	}
	p.sent(false)
	p.add(0, &r, testNow)
	if unsafe.SliceData(p.part.bytes) == first {
		t.Error("after a failure the buffer is written to")
	}
}
