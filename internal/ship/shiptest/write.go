package shiptest

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Limits of the real API. https://cloud.google.com/logging/quotas
const (
	maxRequest   = 10_000_000
	maxEntry     = 256 << 10
	maxAhead     = 24 * time.Hour
	maxLabels    = 64
	maxLabelKey  = 512
	maxLabelSize = 64 << 10
)

// write checks a request as the API does and stores what it takes.
func (s *Server) write(req *loggingpb.WriteLogEntriesRequest) error {
	if n := proto.Size(req); n > maxRequest {
		return status.Errorf(codes.InvalidArgument, "Request payload size exceeds the limit: %d bytes.", maxRequest)
	}
	if len(req.Entries) == 0 {
		return status.Error(codes.InvalidArgument, "No entries in the request.")
	}
	entries := make([]*loggingpb.LogEntry, len(req.Entries))
	refused := make(map[int32]*rpcstatus.Status)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.signal()
	for i, e := range req.Entries {
		entries[i] = withDefaults(e, req)
		if st := s.judge(entries[i]); st != nil {
			refused[int32(i)] = st.Proto()
		}
	}
	if len(refused) == 0 {
		if !req.DryRun {
			s.store.add(entries, nil)
		}
		return nil
	}
	// Nothing is written when success in part is not wanted, and nothing is
	// listed when nothing was written.
	nothing := !req.PartialSuccess || s.faults.silent || len(refused) == len(entries)
	if !nothing && !req.DryRun {
		s.store.add(entries, refused)
	}
	return refusal(refused, !nothing)
}

// refusal is the error of a request with refused entries; it carries the
// status of one of them.
func refusal(refused map[int32]*rpcstatus.Status, details bool) error {
	first := int32(-1)
	for i := range refused {
		if first < 0 || i < first {
			first = i
		}
	}
	st := status.FromProto(refused[first])
	if !details {
		return st.Err()
	}
	with, err := st.WithDetails(&loggingpb.WriteLogEntriesPartialErrors{LogEntryErrors: refused})
	if err != nil {
		return status.Errorf(codes.Internal, "shiptest: bug: %v", err)
	}
	return with.Err()
}

// withDefaults copies the request's log name, resource and labels into an
// entry that lacks them.
func withDefaults(e *loggingpb.LogEntry, req *loggingpb.WriteLogEntriesRequest) *loggingpb.LogEntry {
	if e.LogName == "" {
		e.LogName = req.LogName
	}
	if e.Resource == nil {
		e.Resource = req.Resource
	}
	for k, v := range req.Labels {
		if _, ok := e.Labels[k]; !ok {
			if e.Labels == nil {
				e.Labels = make(map[string]string)
			}
			e.Labels[k] = v
		}
	}
	return e
}

// judge returns why the API refuses an entry, or nil. s.mu is held.
func (s *Server) judge(e *loggingpb.LogEntry) *status.Status {
	if s.faults.refuse != nil {
		if code := s.faults.refuse(e); code != codes.OK {
			return status.Newf(code, "asked to refuse this entry with %s", code)
		}
	}
	if problem := s.problem(e); problem != "" {
		return status.New(codes.InvalidArgument, problem)
	}
	return nil
}

func (s *Server) problem(e *loggingpb.LogEntry) string {
	switch n := proto.Size(e); {
	case n > maxEntry:
		return fmt.Sprintf("Log entry with size %.1fK exceeds maximum size of 256.0K", float64(n)/1024)
	case e.Resource == nil || e.Resource.Type == "":
		return "A monitored resource is required."
	case e.Payload == nil && e.HttpRequest == nil:
		return "Log entry has no payload."
	case e.InsertId == "":
		// The real API makes one up, and a retry then doubles the entry: in
		// our tests that is a fault of the client.
		return "Log entry has no insert_id."
	case len(e.InsertId) > 512:
		return "insert_id is too long."
	case e.Timestamp == nil:
		return "Log entry has no timestamp."
	case e.Timestamp.CheckValid() != nil:
		return "Log entry has an invalid timestamp."
	case e.Timestamp.AsTime().After(s.o.Now().Add(maxAhead)):
		return "Log entry timestamp is more than 24 hours in the future."
	case e.HttpRequest.GetLatency() != nil && e.HttpRequest.Latency.CheckValid() != nil:
		return "Log entry has an invalid latency."
	}
	if p := logNameProblem(e.LogName); p != "" {
		return p
	}
	return labelProblem(e.Labels)
}

var logNameForm = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/logs/([^/]+)$`)
var logIDForm = regexp.MustCompile(`^[A-Za-z0-9/_.-]+$`)

func logNameProblem(name string) string {
	m := logNameForm.FindStringSubmatch(name)
	if m == nil {
		return fmt.Sprintf("Log name %q is not of the form projects/PROJECT/logs/LOG_ID with an URL-encoded id.", name)
	}
	if id, err := url.PathUnescape(m[1]); err != nil || !logIDForm.MatchString(id) || len(id) >= 512 {
		return fmt.Sprintf("Log id %q is invalid.", m[1])
	}
	return ""
}

func labelProblem(labels map[string]string) string {
	if len(labels) > maxLabels {
		return "Log entry has more than 64 labels."
	}
	for k, v := range labels {
		// The real API cuts them in silence; our tests would rather know.
		if len(k) > maxLabelKey || len(v) > maxLabelSize {
			return fmt.Sprintf("Label %q is too long.", k)
		}
		if !utf8.ValidString(k + v) {
			return "Label is not valid UTF-8."
		}
		if strings.TrimSpace(k) == "" {
			return "Label has no key."
		}
	}
	return ""
}
