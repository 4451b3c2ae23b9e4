package bqtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Call names a call of the API.
type Call string

// The calls.
const (
	JobsInsert Call = "jobs.insert"
	JobsQuery  Call = "jobs.query"
	JobsGet    Call = "jobs.get"
	JobsCancel Call = "jobs.cancel"
	Results    Call = "jobs.getQueryResults"
	TablesGet  Call = "tables.get"
	// JobRun is no call: a failure ordered for it is how a job that was accepted
	// ends.
	JobRun Call = "job"
)

// Failure is one refusal, as the service words it.
// https://docs.cloud.google.com/bigquery/docs/error-messages
type Failure struct {
	Status  int // HTTP status
	Reason  string
	Message string
	// Body, if not empty, is sent as it is instead of an error body.
	Body string
	// Accept, for JobsInsert, takes the job up before it fails the call, as when
	// an answer is lost on its way.
	Accept bool
	// Pass is no failure: the one request it stands for is served.
	Pass bool
}

// AccessDeniedJobs is the refusal of an account that may not start jobs.
func AccessDeniedJobs(project string) Failure {
	return Failure{Status: 403, Reason: "accessDenied", Message: fmt.Sprintf("Access Denied: Project %s: User does not have bigquery.jobs.create permission in project %s.", project, project)}
}

// AccessDeniedTable is the refusal of an account that may not read the table,
// given as "project:dataset.table".
func AccessDeniedTable(table string) Failure {
	return Failure{Status: 403, Reason: "accessDenied", Message: fmt.Sprintf("Access Denied: Table %s: User does not have permission to query table %s, or perhaps it does not exist.", table, table)}
}

// TableNotFound is the answer for a table, "project:dataset.table", that does
// not exist.
func TableNotFound(table, location string) Failure {
	return *notFound("Not found: Table %s was not found in location %s", table, location)
}

// DatasetNotFound is the answer for a dataset, "project:dataset", that does not
// exist in the job's location.
func DatasetNotFound(dataset, location string) Failure {
	return *notFound("Not found: Dataset %s was not found in location %s", dataset, location)
}

// UnknownColumn is the answer to a query that names a column the table does not
// have.
func UnknownColumn(name string) Failure { return *invalidQuery("Unrecognized name: %s at [3:5]", name) }

// QuotaExceeded is the answer when a custom daily quota is used up.
func QuotaExceeded() Failure {
	return Failure{Status: 403, Reason: "quotaExceeded", Message: "Custom quota exceeded: Your usage exceeded the custom quota for QueryUsagePerDay."}
}

// BackendError is the service's own fault, which passes.
func BackendError() Failure {
	return Failure{Status: 503, Reason: "backendError", Message: "Error encountered during execution. Retrying may solve the problem."}
}

func invalid(format string, a ...any) *Failure {
	return &Failure{Status: 400, Reason: "invalid", Message: fmt.Sprintf(format, a...)}
}

func invalidQuery(format string, a ...any) *Failure {
	return &Failure{Status: 400, Reason: "invalidQuery", Message: fmt.Sprintf(format, a...)}
}

func notFound(format string, a ...any) *Failure {
	return &Failure{Status: 404, Reason: "notFound", Message: fmt.Sprintf(format, a...)}
}

func (f *Failure) proto() map[string]any {
	return map[string]any{"reason": f.Reason, "message": f.Message, "location": "query"}
}

func (f *Failure) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(f.Status)
	if f.Body != "" {
		fmt.Fprint(w, f.Body)
		return
	}
	p := f.proto()
	p["domain"] = "global"
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": f.Status, "message": f.Message, "errors": []any{p}, "status": http.StatusText(f.Status),
	}})
}
