package ship

import (
	"errors"
	"sync"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec is gRPC's codec for protobuf, but for one thing: the entries of a
// WriteLogEntriesRequest are bytes that were attached to it. They follow the
// request's own fields as a buffer of their own, so that no batch is copied;
// protobuf takes fields in any order. Attached bytes must not change until the
// call has succeeded: after a failure the connection may still hold them.
//
// It skips protobuf's check that strings are valid UTF-8; the encoder sees to
// that.
type codec struct {
	encoding.CodecV2

	mu      sync.Mutex // guards what follows
	entries map[*loggingpb.WriteLogEntriesRequest][]byte
}

func newCodec() *codec {
	return &codec{CodecV2: encoding.GetCodecV2(proto.Name), entries: make(map[*loggingpb.WriteLogEntriesRequest][]byte)}
}

// attach gives a request its entries until detach.
func (c *codec) attach(req *loggingpb.WriteLogEntriesRequest, entries []byte) {
	c.mu.Lock()
	c.entries[req] = entries
	c.mu.Unlock()
}

func (c *codec) detach(req *loggingpb.WriteLogEntriesRequest) {
	c.mu.Lock()
	delete(c.entries, req)
	c.mu.Unlock()
}

// errNotAttached would otherwise be a request without entries.
var errNotAttached = errors.New("ship: bug: a request without attached entries")

// Marshal implements [encoding.CodecV2].
func (c *codec) Marshal(v any) (mem.BufferSlice, error) {
	out, err := c.CodecV2.Marshal(v)
	req, isWrite := v.(*loggingpb.WriteLogEntriesRequest)
	if err != nil || !isWrite {
		return out, err
	}
	c.mu.Lock()
	entries, ok := c.entries[req]
	c.mu.Unlock()
	if !ok {
		out.Free()
		return nil, errNotAttached
	}
	if len(entries) > 0 {
		out = append(out, mem.SliceBuffer(entries))
	}
	return out, nil
}
