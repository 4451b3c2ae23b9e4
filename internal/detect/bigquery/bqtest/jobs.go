package bqtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRequest is how large a request for a job may be.
// https://docs.cloud.google.com/bigquery/quotas#query_jobs
const maxRequest = 10 << 20

// insert is jobs.insert. A job that is accepted runs at once; one that fails
// says so in its status, not in the answer to the insert, except for what the
// service checks before it takes a job up.
func (s *Server) insert(w http.ResponseWriter, r *http.Request) {
	f := s.ordered(JobsInsert)
	if f != nil && !f.Accept {
		f.write(w)
		return
	}
	reply(w, func() (any, *Failure) {
		v, refused := s.accept(r)
		if refused == nil && f != nil {
			refused = f
		}
		return v, refused
	})
}

func (s *Server) accept(r *http.Request) (any, *Failure) {
	var body struct {
		JobReference struct {
			JobID     string `json:"jobId"`
			ProjectID string `json:"projectId"`
			Location  string `json:"location"`
		} `json:"jobReference"`
		Configuration struct {
			DryRun       bool              `json:"dryRun"`
			Labels       map[string]string `json:"labels"`
			JobTimeoutMs jsonInt           `json:"jobTimeoutMs"`
			Query        *struct {
				Query              string      `json:"query"`
				MaximumBytesBilled jsonInt     `json:"maximumBytesBilled"`
				UseLegacySQL       *bool       `json:"useLegacySql"`
				ParameterMode      string      `json:"parameterMode"`
				QueryParameters    []parameter `json:"queryParameters"`
			} `json:"query"`
		} `json:"configuration"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxRequest)).Decode(&body); err != nil {
		return nil, invalid("Invalid JSON payload received: %v", err)
	}
	q := body.Configuration.Query
	if q == nil {
		return nil, invalid("bqtest: only query jobs")
	}
	if q.ParameterMode == "POSITIONAL" {
		return nil, invalid("bqtest: positional parameters")
	}
	req := &request{JobID: body.JobReference.JobID, Query: q.Query, Location: body.JobReference.Location,
		Labels: body.Configuration.Labels, MaximumBytesBilled: q.MaximumBytesBilled, UseLegacySQL: q.UseLegacySQL,
		QueryParameters: q.QueryParameters, DryRun: body.Configuration.DryRun, TimeoutMS: body.Configuration.JobTimeoutMs}
	j, f := s.start(req)
	if f != nil {
		return nil, f
	}
	return s.resource(j), nil
}

// start checks a query and takes it up.
func (s *Server) start(q *request) (*job, *Failure) {
	if f := s.checkJob(q); f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.JobID == "" {
		q.JobID = fmt.Sprintf("job_%d", len(s.jobs))
	}
	if _, dup := s.jobs[q.JobID]; dup {
		return nil, &Failure{Status: 409, Reason: "duplicate", Message: fmt.Sprintf("Already Exists: Job %s:%s.%s", s.billing(), q.Location, q.JobID)}
	}
	var fail *Failure
	var do func() Answer
	if k := s.kept(q); k != nil {
		do, fail = k.plan(q)
	} else {
		fail = s.checkText(q)
	}
	if fail == nil {
		fail = s.checkBytes(q)
	}
	if q.DryRun {
		if fail != nil {
			return nil, fail // a dry run says at once what is wrong
		}
		s.seen = append(s.seen, q.seen())
		return &job{id: q.JobID, state: "DONE", req: q}, nil
	}
	j := &job{id: q.JobID, state: "DONE", req: q, fail: fail, done: make(chan struct{})}
	if j.fail == nil {
		j.fail = s.takeLocked(JobRun)
	}
	if j.fail == nil {
		if do == nil {
			a, ok := s.Answers[q.Labels["query"]]
			if !ok {
				return nil, invalid("bqtest: no answer for a query with label query=%q", q.Labels["query"])
			}
			do = func() Answer { return a }
		}
		j.do = do
		s.seen = append(s.seen, q.seen())
		if s.hang || s.slow > 0 {
			j.state, j.looks = "RUNNING", s.slow
		}
	}
	if j.state == "DONE" {
		j.end()
	}
	if s.jobs == nil {
		s.jobs = map[string]*job{}
	}
	s.jobs[j.id] = j
	if s.started != nil {
		close(s.started)
		s.started = nil
	}
	return j, nil
}

func (q *request) seen() Query {
	p := map[string]string{}
	for _, x := range q.QueryParameters {
		p[x.Name] = x.String()
	}
	return Query{JobID: q.JobID, Text: q.Query, Parameters: p, Labels: maps.Clone(q.Labels), Location: q.Location,
		MaxBytes: int64(q.MaximumBytesBilled), DryRun: q.DryRun, TimeoutMS: int64(q.TimeoutMS)}
}

// find returns a job, if the request names its location. A job outside the
// US and EU is not found without one.
func (s *Server) find(r *http.Request, id string) (*job, *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil || !strings.EqualFold(r.URL.Query().Get("location"), j.req.Location) {
		return nil, notFound("Not found: Job %s:%s.%s", s.billing(), r.URL.Query().Get("location"), id)
	}
	return j, nil
}

func (s *Server) get(r *http.Request, id string) (any, *Failure) {
	j, f := s.find(r, id)
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	if j.looks > 0 {
		if j.looks--; j.looks == 0 {
			j.end()
		}
	}
	s.mu.Unlock()
	return s.resource(j), nil
}

// resource is the job as the API describes it.
func (s *Server) resource(j *job) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := map[string]any{"state": j.state}
	if f := j.failure(); f != nil && j.state == "DONE" {
		status["errorResult"] = f.proto()
		status["errors"] = []any{f.proto()}
	}
	stats := map[string]any{"creationTime": "1767323045000"}
	if j.state == "DONE" && j.fail == nil {
		processed, billed := s.bytesOf(j.req), int64(0)
		if !j.req.DryRun {
			billed = billedFor(processed)
		}
		n := strconv.FormatInt(processed, 10)
		stats["totalBytesProcessed"] = n
		stats["query"] = map[string]any{"statementType": "SELECT", "totalBytesProcessed": n,
			"totalBytesBilled": strconv.FormatInt(billed, 10), "totalBytesProcessedAccuracy": "PRECISE"}
	}
	return map[string]any{
		"kind": "bigquery#job", "id": s.billing() + ":" + j.req.Location + "." + j.id,
		"jobReference":  map[string]string{"projectId": s.billing(), "jobId": j.id, "location": j.req.Location},
		"configuration": map[string]any{"jobType": "QUERY", "dryRun": j.req.DryRun, "query": map[string]any{"query": j.req.Query, "useLegacySql": false}},
		"status":        status, "statistics": stats,
	}
}

// end ends a job, and does what it is for unless it failed.
func (j *job) end() {
	j.state = "DONE"
	if j.do != nil && j.failure() == nil {
		j.answer = j.do()
	}
	close(j.done)
}

func (j *job) failure() *Failure {
	if j.canceled {
		return &Failure{Status: 400, Reason: "stopped", Message: "Job execution was cancelled: User requested cancellation"}
	}
	return j.fail
}

func (s *Server) cancel(r *http.Request, id string) (any, *Failure) {
	j, f := s.find(r, id)
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	if j.state != "DONE" {
		j.canceled, j.looks = true, 0
		j.end()
		if s.cancelled != nil {
			s.cancelled <- j.id
		}
	}
	s.mu.Unlock()
	return map[string]any{"kind": "bigquery#jobCancelResponse", "job": s.resource(j)}, nil
}

// results is jobs.getQueryResults.
func (s *Server) results(r *http.Request, id string) (any, *Failure) {
	j, f := s.find(r, id)
	if f != nil {
		return nil, f
	}
	if !s.wait(r, j) {
		return map[string]any{"kind": "bigquery#getQueryResultsResponse", "jobComplete": false, "jobReference": s.reference(j)}, nil
	}
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("pageToken"))
	if from == 0 {
		from, _ = strconv.Atoi(q.Get("startIndex"))
	}
	most := -1
	if v := q.Get("maxResults"); v != "" {
		most, _ = strconv.Atoi(v)
	}
	return s.page(j, from, most, q.Get("formatOptions.useInt64Timestamp") == "true")
}

// page is one page of a finished job's rows.
func (s *Server) page(j *job, from, most int, micros bool) (any, *Failure) {
	s.mu.Lock()
	f := j.failure()
	s.mu.Unlock()
	if f != nil {
		return nil, f
	}
	rows, err := j.answer.wire(micros)
	if err != nil {
		return nil, invalid("%v", err)
	}
	total := len(rows)
	to := total
	if s.Page > 0 {
		to = min(to, from+s.Page)
	}
	if most >= 0 {
		to = min(to, from+most)
	}
	from = min(from, to)
	out := map[string]any{
		"jobComplete": true, "jobReference": s.reference(j), "totalRows": strconv.Itoa(total),
		"schema": map[string]any{"fields": j.answer.Columns}, "rows": rows[from:to],
		"totalBytesProcessed": strconv.FormatInt(s.bytesOf(j.req), 10),
	}
	if to < total && most != 0 {
		out["pageToken"] = strconv.Itoa(to)
	}
	return out, nil
}

// wait waits for a job, at most two seconds here (the service waits ten), and
// reports whether it is done. A slow job is done for whoever waits.
func (s *Server) wait(r *http.Request, j *job) bool {
	s.mu.Lock()
	if j.looks > 0 {
		j.looks = 0
		j.end()
	}
	s.mu.Unlock()
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-j.done:
		return true
	case <-r.Context().Done():
	case <-t.C:
	}
	return false
}

func (s *Server) reference(j *job) map[string]string {
	return map[string]string{"projectId": s.billing(), "jobId": j.id, "location": j.req.Location}
}

// query is jobs.query: insert, wait and first page in one call.
func (s *Server) query(r *http.Request) (any, *Failure) {
	var body struct {
		Query              string            `json:"query"`
		Location           string            `json:"location"`
		Labels             map[string]string `json:"labels"`
		MaximumBytesBilled jsonInt           `json:"maximumBytesBilled"`
		UseLegacySQL       *bool             `json:"useLegacySql"`
		QueryParameters    []parameter       `json:"queryParameters"`
		DryRun             bool              `json:"dryRun"`
		FormatOptions      struct {
			UseInt64Timestamp bool `json:"useInt64Timestamp"`
		} `json:"formatOptions"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, invalid("Invalid JSON payload received: %v", err)
	}
	j, f := s.start(&request{Query: body.Query, Location: body.Location, Labels: body.Labels, MaximumBytesBilled: body.MaximumBytesBilled,
		UseLegacySQL: body.UseLegacySQL, QueryParameters: body.QueryParameters, DryRun: body.DryRun})
	if f != nil {
		return nil, f
	}
	if body.DryRun {
		return map[string]any{"jobComplete": true, "totalBytesProcessed": strconv.FormatInt(s.bytesOf(j.req), 10)}, nil
	}
	if !s.wait(r, j) {
		return map[string]any{"jobComplete": false, "jobReference": s.reference(j)}, nil
	}
	return s.page(j, 0, -1, body.FormatOptions.UseInt64Timestamp)
}
