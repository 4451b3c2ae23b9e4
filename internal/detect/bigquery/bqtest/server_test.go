package bqtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect/bigquery/bqtest"
)

const good = "WITH r AS (SELECT path FROM `p.d.t` WHERE timestamp >= @from AND timestamp < @to) SELECT path, '@no -- (' FROM r -- @neither"

// body is a job that passes; tests spoil it.
func body() map[string]any {
	return map[string]any{
		"jobReference": map[string]any{"projectId": "p", "jobId": "edgewarden-1", "location": "EU"},
		"configuration": map[string]any{
			"labels": map[string]any{"query": "detect", "app": "edgewarden"},
			"query": map[string]any{
				"query": good, "useLegacySql": false, "maximumBytesBilled": "20000000", "parameterMode": "NAMED",
				"queryParameters": []any{param("from"), param("to")},
			},
		},
	}
}

func param(name string) map[string]any {
	return map[string]any{"name": name, "parameterType": map[string]any{"type": "TIMESTAMP"},
		"parameterValue": map[string]any{"value": "2026-01-02 03:04:05+00:00"}}
}

func query(b map[string]any) map[string]any {
	return b["configuration"].(map[string]any)["query"].(map[string]any)
}

func server(t *testing.T) (*bqtest.Server, string) {
	s := &bqtest.Server{Table: "p.d.t", Answers: map[string]bqtest.Answer{"detect": {
		Columns: []bqtest.Column{{Name: "path", Type: "STRING"}, {Name: "n", Type: "INTEGER"}, {Name: "at", Type: "TIMESTAMP"}},
		Rows:    [][]any{{"/a", 1, time.UnixMicro(5)}, {nil, 2, nil}},
	}}}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h.URL
}

// call makes a request and returns the status, the error's reason and the body.
func call(t *testing.T, method, url string, in any) (status int, reason, text string) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Error struct {
			Errors []struct{ Reason, Message string }
		}
		Status struct {
			ErrorResult struct{ Reason, Message string }
		}
	}
	if err := json.Unmarshal(all, &e); err != nil {
		t.Fatalf("%s: %v", all, err)
	}
	reason = e.Status.ErrorResult.Reason
	if len(e.Error.Errors) > 0 {
		reason = e.Error.Errors[0].Reason
	}
	return res.StatusCode, reason, string(all)
}

func TestWhatTheServiceRefuses(t *testing.T) {
	text := func(s string) func(map[string]any) {
		return func(b map[string]any) { query(b)["query"] = s }
	}
	ref := func(k string, v any) func(map[string]any) {
		return func(b map[string]any) { b["jobReference"].(map[string]any)[k] = v }
	}
	label := func(k, v string) func(map[string]any) {
		return func(b map[string]any) {
			b["configuration"].(map[string]any)["labels"].(map[string]any)[k] = v
		}
	}
	for _, c := range []struct {
		name   string
		spoil  func(map[string]any)
		reason string
		says   string
	}{
		{"nothing, when all is well", func(map[string]any) {}, "", ""},
		{"a job id with a dot", ref("jobId", "a.b"), "invalid", "Invalid job ID"},
		{"another location", ref("location", "US"), "notFound", "Not found: Dataset p:d was not found in location US"},
		{"no location", ref("location", ""), "invalid", "without a location"},
		{"a label in upper case", label("Run", "x"), "invalid", "not a valid label"},
		{"a label value with a colon", label("run", "12:30"), "invalid", "not a valid label"},
		{"legacy SQL", func(b map[string]any) { delete(query(b), "useLegacySql") }, "invalidQuery", "Legacy SQL"},
		{"no byte limit", func(b map[string]any) { delete(query(b), "maximumBytesBilled") }, "invalid", "maximumBytesBilled"},
		{"a byte limit below the least that is billed", func(b map[string]any) { query(b)["maximumBytesBilled"] = "1000" }, "bytesBilledLimitExceeded", "10485760 or higher required"},
		{"a statement that writes", text("DELETE FROM `p.d.t` WHERE timestamp >= @from AND timestamp < @to"), "invalidQuery", "SELECT or WITH"},
		{"a second statement", text(good + "\n; SELECT 1"), "invalidQuery", "more than one statement"},
		{"another table", text(strings.Replace(good, "p.d.t", "p.d.u", 1)), "notFound", "Not found: Table p:d.u"},
		{"the table twice", text(strings.Replace(good, "FROM r", "FROM r, `p.d.t` AS again", 1)), "invalidQuery", "named 2 times"},
		{"an open bracket", text(strings.Replace(good, "@to)", "@to", 1)), "invalidQuery", "Syntax error"},
		{"an open quote", text(good + "\n AND x = 'a"), "invalidQuery", "Unclosed string"},
		{"a parameter that is not given", text(strings.Replace(good, "@to", "@until", 1)), "invalidQuery", ""},
		{"a parameter that is not mentioned", func(b map[string]any) {
			query(b)["queryParameters"] = []any{param("from"), param("to"), param("no")}
		}, "invalidQuery", "@no is given but not mentioned"},
		{"a parameter twice", func(b map[string]any) {
			query(b)["queryParameters"] = []any{param("from"), param("to"), param("TO")}
		}, "invalidQuery", "Duplicate parameter"},
		{"a window without an end", func(b map[string]any) {
			query(b)["query"] = strings.Replace(good, " AND timestamp < @to", "", 1)
			query(b)["queryParameters"] = []any{param("from")}
		}, "invalidQuery", "partition elimination"},
		{"a wrapped partition column", text(strings.Replace(good, "timestamp >= @from", "TIMESTAMP_TRUNC(timestamp, HOUR) >= @from", 1)), "invalidQuery", "partition elimination"},
		{"a window outside of the scan", text("SELECT path FROM (SELECT * FROM `p.d.t`) WHERE timestamp >= @from AND timestamp < @to"), "invalidQuery", "partition elimination"},
		{"a window that an OR opens", text(good[:strings.Index(good, ")")] + " OR TRUE" + good[strings.Index(good, ")"):]), "invalidQuery", "partition elimination"},
		{"a query nobody wrote an answer for", label("query", "other"), "invalid", "no answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, url := server(t)
			b := body()
			c.spoil(b)
			_, reason, all := call(t, "POST", url+"/projects/p/jobs", b)
			if reason != c.reason || !strings.Contains(all, c.says) {
				t.Errorf("reason %q, want %q saying %q:\n%s", reason, c.reason, c.says, all)
			}
		})
	}
}

func TestRowsComeInPagesAndKnowTheirTypes(t *testing.T) {
	s, url := server(t)
	s.Page = 1
	if status, _, all := call(t, "POST", url+"/bigquery/v2/projects/p/jobs", body()); status != 200 {
		t.Fatal(all)
	}
	_, _, first := call(t, "GET", url+"/projects/p/queries/edgewarden-1?location=EU&formatOptions.useInt64Timestamp=true", nil)
	for _, want := range []string{`"f":[{"v":"/a"},{"v":"1"},{"v":"5"}]`, `"pageToken":"1"`, `"totalRows":"2"`} {
		if !strings.Contains(first, want) {
			t.Errorf("first page lacks %s: %s", want, first)
		}
	}
	_, _, second := call(t, "GET", url+"/projects/p/queries/edgewarden-1?location=EU&pageToken=1", nil)
	if !strings.Contains(second, `"f":[{"v":null},{"v":"2"},{"v":null}]`) || strings.Contains(second, "pageToken") {
		t.Errorf("second page: %s", second)
	}
}

func TestTheFastPathAnswersInOneCall(t *testing.T) {
	_, url := server(t)
	b := query(body())
	b["location"], b["labels"] = "EU", map[string]any{"query": "detect"}
	_, _, all := call(t, "POST", url+"/projects/p/queries", b)
	if !strings.Contains(all, `"jobComplete":true`) || !strings.Contains(all, `{"v":"/a"}`) {
		t.Error(all)
	}
}

func TestAJobIsFoundOnlyInItsLocation(t *testing.T) {
	_, url := server(t)
	call(t, "POST", url+"/projects/p/jobs", body())
	for _, path := range []string{"/projects/p/jobs/edgewarden-1", "/projects/p/queries/edgewarden-1?location=US"} {
		if status, reason, _ := call(t, "GET", url+path, nil); status != 404 || reason != "notFound" {
			t.Errorf("%s: %d %s", path, status, reason)
		}
	}
	if status, reason, _ := call(t, "POST", url+"/projects/p/jobs", body()); status != 409 || reason != "duplicate" {
		t.Errorf("the same id again: %d %s", status, reason)
	}
	if status, reason, _ := call(t, "POST", url+"/projects/other/jobs", body()); status != 403 || reason != "accessDenied" {
		t.Errorf("another billing project: %d %s", status, reason)
	}
}

func TestAJobThatHangsEndsWhenCancelled(t *testing.T) {
	s, url := server(t)
	cancelled := s.Hang()
	_, _, all := call(t, "POST", url+"/projects/p/jobs", body())
	if !strings.Contains(all, `"state":"RUNNING"`) {
		t.Fatal(all)
	}
	call(t, "POST", url+"/projects/p/jobs/edgewarden-1/cancel?location=EU", nil)
	if id := <-cancelled; id != "edgewarden-1" {
		t.Errorf("cancelled %q", id)
	}
	_, reason, _ := call(t, "GET", url+"/projects/p/jobs/edgewarden-1?location=EU", nil)
	if reason != "stopped" {
		t.Errorf("reason %q", reason)
	}
}

func TestOrderedFailuresComeOnceEach(t *testing.T) {
	s, url := server(t)
	s.Fail(bqtest.JobsInsert, bqtest.BackendError(), bqtest.QuotaExceeded())
	for _, want := range []string{"backendError", "quotaExceeded", ""} {
		if _, reason, _ := call(t, "POST", url+"/projects/p/jobs", body()); reason != want {
			t.Errorf("reason %q, want %q", reason, want)
		}
	}
	if n := s.Calls(bqtest.JobsInsert); n != 3 {
		t.Errorf("%d calls counted", n)
	}
	if n := len(s.Queries()); n != 1 {
		t.Errorf("%d queries accepted", n)
	}
}
