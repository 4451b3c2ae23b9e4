package shiptest

import (
	"sort"
	"strings"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// key is what two entries have in common that the API takes for one.
// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#FIELDS.insert_id
type key struct {
	log      string
	at       time.Time
	insertID string
}

// store is what was written.
type store struct {
	countOnly bool
	all       []*loggingpb.LogEntry // in order of arrival, duplicates too
	first     map[key]int           // how often each entry arrived
	written   int
	unique    map[string]int // by log name
}

func newStore(countOnly bool) store {
	return store{countOnly: countOnly, first: make(map[key]int), unique: make(map[string]int)}
}

func (s *store) add(entries []*loggingpb.LogEntry, refused map[int32]*rpcstatus.Status) {
	for i, e := range entries {
		if refused[int32(i)] != nil {
			continue
		}
		k := keyOf(e)
		s.written++
		if s.first[k]++; s.first[k] == 1 {
			s.unique[e.LogName]++
		}
		if !s.countOnly {
			s.all = append(s.all, e)
		}
	}
}

func keyOf(e *loggingpb.LogEntry) key {
	return key{e.LogName, e.Timestamp.AsTime(), e.InsertId}
}

// Entries returns copies of the entries a query would show: one of each (log,
// timestamp, insert_id), with the request's defaults filled in, ordered by log,
// timestamp and insert_id. It is empty with Options.CountOnly.
func (s *Server) Entries() []*loggingpb.LogEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make(map[key]bool, len(s.store.all))
	var out []*loggingpb.LogEntry
	for _, e := range s.store.all {
		if k := keyOf(e); !seen[k] {
			seen[k] = true
			out = append(out, proto.CloneOf(e))
		}
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := keyOf(out[i]), keyOf(out[j])
		switch {
		case a.log != b.log:
			return a.log < b.log
		case !a.at.Equal(b.at):
			return a.at.Before(b.at)
		}
		return a.insertID < b.insertID
	})
	return out
}

// Log returns the entries of one log, by its id; see [Server.Entries].
func (s *Server) Log(id string) []*loggingpb.LogEntry {
	var out []*loggingpb.LogEntry
	for _, e := range s.Entries() {
		if strings.HasSuffix(e.LogName, "/logs/"+id) {
			out = append(out, e)
		}
	}
	return out
}

// Count is how many different entries one log has, by its id.
func (s *Server) Count(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for name, c := range s.store.unique {
		if strings.HasSuffix(name, "/logs/"+id) {
			n += c
		}
	}
	return n
}

// Written is how many entries were written, duplicates counted: what a sink to
// BigQuery would get.
func (s *Server) Written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store.written
}

// Calls is how many calls there were, failed ones and dry runs too.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Waiting is how many calls are under way and not carried out.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}
