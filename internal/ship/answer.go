package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// sending is the state of one Write.
type sending struct {
	*CloudLogging
	sound bool // the API was asked and takes plain entries
	named bool // it was asked which entries are at fault, with one that is not
}

// send writes entries with one call, or, when the API refuses them without
// saying which, with as many as it takes to find those.
func (c *sending) send(ctx context.Context, p part) ([]Refusal, error) {
	err := c.write(ctx, p)
	if err == nil {
		return nil, nil
	}
	n := len(p.entries)
	a := readAnswer(ctx, err, n)
	if a.failure != nil {
		return nil, a.failure
	}
	if len(a.refused) < n && !a.all {
		return pick(p, a.refused), nil
	}
	// Everything was refused. Before lines are given up for it: is it them, or
	// would the API refuse anything we send?
	if !c.sound {
		if err := c.probe(ctx); err != nil {
			return nil, err
		}
		c.sound = true
	}
	switch {
	case !a.all:
		return pick(p, a.refused), nil
	case n == 1:
		return []Refusal{{Index: p.entries[0].index, Reason: a.reason}}, nil
	}
	if refused, done, err := c.name(ctx, p); done || err != nil {
		return refused, err
	}
	left, right := p.halves()
	refused, err := c.send(ctx, left)
	if err != nil {
		return nil, err
	}
	more, err := c.send(ctx, right)
	return append(refused, more...), err
}

// name has the API list the entries at fault when all of a part are, and halving
// would take two calls for each. It lists none if it stores none; so the part is
// sent once more with an entry it has taken before, which it recognises. done is
// false if the API has taken none yet, or lists none even so.
func (c *sending) name(ctx context.Context, p part) (refused []Refusal, done bool, err error) {
	known := c.known.Load()
	if known == nil || c.named {
		return nil, false, nil
	}
	c.named = true
	n := len(p.entries)
	err = c.call(ctx, &loggingpb.WriteLogEntriesRequest{}, append(slices.Clip(p.wire()), *known...))
	if err == nil {
		return nil, true, nil
	}
	a := readAnswer(ctx, err, n+1)
	switch _, wrong := a.refused[n]; {
	case a.failure != nil:
		return nil, false, a.failure
	case a.all || wrong:
		return nil, false, nil
	}
	return pick(p, a.refused), true, nil
}

func pick(p part, refused map[int]string) []Refusal {
	var out []Refusal
	for i, reason := range refused {
		out = append(out, Refusal{Index: p.entries[i].index, Reason: reason})
	}
	slices.SortFunc(out, func(a, b Refusal) int { return a.Index - b.Index })
	return out
}

// write stores the entries of a part with one call.
func (c *CloudLogging) write(ctx context.Context, p part) error {
	err := c.call(ctx, &loggingpb.WriteLogEntriesRequest{}, p.wire())
	if err == nil {
		first := p.entries[0]
		known := bytes.Clone(p.bytes[first.from:first.to])
		c.known.Store(&known)
	}
	return err
}

// call is one WriteLogEntries, of the encoded entries. The library's own retry
// is off: it would hide the code.
func (c *CloudLogging) call(ctx context.Context, req *loggingpb.WriteLogEntriesRequest, entries []byte) error {
	req.LogName, req.Resource, req.PartialSuccess = c.log, c.o.Resource, true
	c.codec.attach(req, entries)
	defer c.codec.detach(req)
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	_, err := c.client.WriteLogEntries(ctx, req, gax.WithRetry(nil))
	return err
}

// probe asks the API whether it would take a plain entry of this moment,
// without storing it. If it refuses that too, the log name, the resource or
// our clock is at fault, and no line must be given up for it.
func (c *CloudLogging) probe(ctx context.Context) error {
	err := c.call(ctx, &loggingpb.WriteLogEntriesRequest{DryRun: true, Entries: []*loggingpb.LogEntry{{
		InsertId:  "probe",
		Timestamp: timestamppb.New(c.o.Now()),
		Payload:   &loggingpb.LogEntry_TextPayload{TextPayload: "probe"},
	}}}, nil)
	if err == nil {
		return nil
	}
	if a := readAnswer(ctx, err, 1); a.failure != nil {
		return a.failure
	}
	return &Failure{Class: Configuration, Code: "Refused",
		Err: fmt.Errorf("the API refuses every entry; check project, log id, resource and this machine's clock: %w", err)}
}

// answer is what the API's error means for the entries of one request.
type answer struct {
	failure *Failure       // not nil: the request is to be sent again later
	refused map[int]string // else: the entries refused, the others being stored
	all     bool           // else: all were refused together, for reason
	reason  string
}

// readAnswer reads the error of a call with n entries. https://cloud.google.com/apis/design/errors
func readAnswer(ctx context.Context, err error, n int) answer {
	if ctx.Err() != nil {
		return fails(Temporary, "Canceled", ctx.Err())
	}
	// A deadline that passes before the call was made has no status.
	if _, isStatus := status.FromError(err); !isStatus && errors.Is(err, context.DeadlineExceeded) {
		return fails(Temporary, "DeadlineExceeded", err)
	}
	st := status.Convert(err)
	if perEntry := partialErrors(st); len(perEntry) > 0 {
		return readPartial(st, err, perEntry, n)
	}
	return readWhole(st, err)
}

func fails(class Class, code string, err error) answer {
	return answer{failure: &Failure{Class: class, Code: code, Err: err}}
}

// partialErrors returns what the status says of single entries.
func partialErrors(st *status.Status) map[int32]*status.Status {
	out := make(map[int32]*status.Status)
	for _, d := range st.Details() {
		if pe, ok := d.(*loggingpb.WriteLogEntriesPartialErrors); ok {
			for i, s := range pe.GetLogEntryErrors() {
				out[i] = status.FromProto(s)
			}
		}
	}
	return out
}

// readPartial: the API lists the entries it will never take, and has stored
// the others, if the call itself says nothing else. Only InvalidArgument is a
// fault of the entry; PermissionDenied is one of the configuration.
func readPartial(st *status.Status, err error, perEntry map[int32]*status.Status, n int) answer {
	if st.Code() != codes.InvalidArgument && st.Code() != codes.PermissionDenied {
		if a := readWhole(st, err); a.failure != nil {
			return a
		}
	}
	a := answer{refused: make(map[int]string, len(perEntry))}
	for i, s := range perEntry {
		if i < 0 || int(i) >= n {
			return answer{all: true, reason: s.Message()} // makes no sense: find out entry by entry
		}
		if s.Code() != codes.InvalidArgument {
			w := readWhole(s, s.Err())
			if w.failure != nil {
				return w
			}
		}
		a.refused[int(i)] = s.Code().String() + ": " + s.Message()
	}
	return a
}

// readWhole reads a status that stands for the whole request.
func readWhole(st *status.Status, err error) answer {
	code, msg := st.Code(), st.Message()
	refused := answer{all: true, reason: code.String() + ": " + msg}
	switch code {
	case codes.InvalidArgument:
		return refused
	case codes.ResourceExhausted:
		if strings.Contains(msg, "larger than max") { // gRPC's own limit, not a quota
			return refused
		}
		return fails(Throttled, code.String(), err)
	case codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.FailedPrecondition, codes.Unimplemented:
		return fails(Configuration, code.String(), err)
	case codes.Internal:
		if strings.Contains(msg, "marshal") && strings.Contains(msg, "UTF-8") { // from our side of the connection
			return refused
		}
	case codes.Unavailable:
		if strings.Contains(msg, "x509: ") || strings.Contains(msg, "tls: ") {
			return fails(Configuration, "TLS", err)
		}
	}
	return fails(Temporary, code.String(), err)
}
