package bqtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server answers for one table. Set the fields before the first request.
type Server struct {
	Table    string // PROJECT.DATASET.TABLE
	Location string // of the dataset; empty means EU
	Billing  string // the project jobs are charged to; empty means the table's

	// Schema is what tables.get answers; nil makes tables.get a 403, as for an
	// account that may read rows and nothing else.
	Schema []Column

	// Partition is the column the table is partitioned on; empty means
	// timestamp.
	Partition string

	// Bytes is what a query processes; 0 means 1 MiB. Scan says so query by
	// query.
	Bytes int64
	Scan  func(Query) int64

	// Answers are the canned results by the job's label query. A query without
	// one gets an error.
	Answers map[string]Answer

	// Kept is a second table, which can be added to; nil means none.
	Kept *Kept

	// Page is how many rows a page of results holds; 0 means all.
	Page int

	mu    sync.Mutex
	fails map[Call][]Failure
	hang  bool
	slow  int
	jobs  map[string]*job
	seen  []Query
	calls map[Call]int

	cancelled chan string
	started   chan struct{}
}

// Query is a query the server accepted, for tests to look at.
type Query struct {
	JobID      string
	Text       string
	Parameters map[string]string // name → type and value, "INT64 5"
	Labels     map[string]string
	Location   string
	MaxBytes   int64
	DryRun     bool
	TimeoutMS  int64
}

type job struct {
	id       string
	state    string
	req      *request
	do       func() Answer // what the job is for
	answer   Answer
	fail     *Failure
	canceled bool
	looks    int // at the status until the job is done
	done     chan struct{}
}

// request is a query as jobs.query and jobs.insert both give it.
type request struct {
	JobID              string
	Query              string
	Location           string
	Labels             map[string]string
	MaximumBytesBilled jsonInt
	UseLegacySQL       *bool
	QueryParameters    []parameter
	DryRun             bool
	TimeoutMS          jsonInt
}

// jsonInt is an int64 that the API writes as a text.
type jsonInt int64

// UnmarshalJSON reads "5" and 5.
func (n *jsonInt) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*n = jsonInt(v)
	return err
}

// Fail orders failures: each of them once, in this order, for the next requests
// of the call.
func (s *Server) Fail(c Call, f ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil {
		s.fails = map[Call][]Failure{}
	}
	s.fails[c] = append(s.fails[c], f...)
}

// Heal takes back the failures of a call that have not come yet.
func (s *Server) Heal(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fails, c)
}

// Hang leaves the jobs that start from now on running until somebody cancels
// them. The channel gives the id of each job that was cancelled.
func (s *Server) Hang() <-chan string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang = true
	s.cancelled = make(chan string, 16)
	return s.cancelled
}

// Resume lets the jobs that start from now on run again.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang = false
}

// Slow leaves the jobs that start from now on running for so many looks at
// their status.
func (s *Server) Slow(looks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = looks
}

// Started gives a channel that is closed when the next job has been taken up.
func (s *Server) Started() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = make(chan struct{})
	return s.started
}

// Jobs returns how many jobs were taken up, failed ones included, dry runs not.
func (s *Server) Jobs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs)
}

// Queries returns the queries that were accepted, dry runs included.
func (s *Server) Queries() []Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Query(nil), s.seen...)
}

// Calls returns how often a call was made, refused ones included.
func (s *Server) Calls(c Call) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[c]
}

func (s *Server) location() string {
	if s.Location == "" {
		return "EU"
	}
	return s.Location
}

func (s *Server) partition() string {
	if s.Partition == "" {
		return "timestamp"
	}
	return s.Partition
}

// bytesOf is what a query processes.
func (s *Server) bytesOf(q *request) int64 {
	switch {
	case s.kept(q) != nil:
		return 0
	case s.Scan != nil:
		return s.Scan(q.seen())
	case s.Bytes == 0:
		return 1 << 20
	}
	return s.Bytes
}

// billedFor rounds up to whole megabytes, and to the least there is.
// https://cloud.google.com/bigquery/pricing#on_demand_pricing
func billedFor(processed int64) int64 {
	const mb = 1 << 20
	return max((processed+mb-1)/mb*mb, minBytesBilled)
}

// names returns the project, dataset and table.
func (s *Server) names() (project, dataset, table string) {
	rest, table, _ := cutLast(s.Table)
	project, dataset, _ = cutLast(rest)
	return project, dataset, table
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func (s *Server) dataset() string {
	p, d, _ := s.names()
	return p + ":" + d
}

func (s *Server) billing() string {
	if s.Billing != "" {
		return s.Billing
	}
	p, _, _ := s.names()
	return p
}

// ServeHTTP answers the API under / and under /bigquery/v2/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/bigquery/v2"), "/")
	parts := strings.Split(path, "/")
	if len(parts) < 3 || parts[0] != "projects" {
		notFound("Not found: %s", r.URL.Path).write(w)
		return
	}
	project, rest := parts[1], parts[2:]
	if rest[0] != "datasets" && project != s.billing() {
		f := AccessDeniedJobs(project)
		f.write(w)
		return
	}
	switch {
	case r.Method == "POST" && len(rest) == 1 && rest[0] == "queries":
		s.serve(w, JobsQuery, func() (any, *Failure) { return s.query(r) })
	case r.Method == "POST" && len(rest) == 1 && rest[0] == "jobs":
		s.insert(w, r)
	case r.Method == "GET" && len(rest) == 2 && rest[0] == "queries":
		s.serve(w, Results, func() (any, *Failure) { return s.results(r, rest[1]) })
	case r.Method == "GET" && len(rest) == 2 && rest[0] == "jobs":
		s.serve(w, JobsGet, func() (any, *Failure) { return s.get(r, rest[1]) })
	case r.Method == "POST" && len(rest) == 3 && rest[0] == "jobs" && rest[2] == "cancel":
		s.serve(w, JobsCancel, func() (any, *Failure) { return s.cancel(r, rest[1]) })
	case r.Method == "GET" && len(rest) == 4 && rest[0] == "datasets" && rest[2] == "tables":
		s.serve(w, TablesGet, func() (any, *Failure) { return s.table(project, rest[1], rest[3]) })
	default:
		notFound("Not found: %s %s", r.Method, r.URL.Path).write(w)
	}
}

// ordered counts a call and returns the failure ordered for it, if any.
func (s *Server) ordered(c Call) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[Call]int{}
	}
	s.calls[c]++
	return s.takeLocked(c)
}

func (s *Server) takeLocked(c Call) *Failure {
	fs := s.fails[c]
	if len(fs) == 0 {
		return nil
	}
	s.fails[c] = fs[1:]
	if fs[0].Pass {
		return nil
	}
	return &fs[0]
}

func (s *Server) serve(w http.ResponseWriter, c Call, answer func() (any, *Failure)) {
	if f := s.ordered(c); f != nil {
		f.write(w)
		return
	}
	reply(w, answer)
}

func reply(w http.ResponseWriter, answer func() (any, *Failure)) {
	v, f := answer()
	if f != nil {
		f.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	json.NewEncoder(w).Encode(v)
}

func (s *Server) table(project, dataset, table string) (any, *Failure) {
	if k := s.Kept; k != nil && k.Name == project+"."+dataset+"."+table {
		if k.Schema == nil {
			return nil, notFound("Not found: Table %s", wireName(k.Name))
		}
		return map[string]any{
			"kind": "bigquery#table", "id": wireName(k.Name), "type": "TABLE", "location": cmp.Or(k.Location, s.location()),
			"tableReference": map[string]string{"projectId": project, "datasetId": dataset, "tableId": table},
			"schema":         map[string]any{"fields": k.Schema}, "timePartitioning": map[string]string{"type": "DAY", "field": "time"},
		}, nil
	}
	p, d, t := s.names()
	if project != p || dataset != d {
		return nil, notFound("Not found: Dataset %s:%s", project, dataset)
	}
	if table != t {
		return nil, notFound("Not found: Table %s:%s.%s", project, dataset, table)
	}
	if s.Schema == nil {
		return nil, &Failure{Status: 403, Reason: "accessDenied", Message: fmt.Sprintf("Access Denied: Table %s:%s.%s: Permission bigquery.tables.get denied on table %s:%s.%s (or it may not exist).", p, d, t, p, d, t)}
	}
	return map[string]any{
		"kind": "bigquery#table", "id": p + ":" + d + "." + t, "type": "TABLE", "location": s.location(),
		"tableReference":   map[string]string{"projectId": p, "datasetId": d, "tableId": t},
		"schema":           map[string]any{"fields": s.Schema},
		"timePartitioning": map[string]string{"type": "DAY", "field": s.partition()},
		"lastModifiedTime": strconv.FormatInt(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli(), 10),
	}, nil
}
