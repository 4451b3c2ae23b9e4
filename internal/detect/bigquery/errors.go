package bigquery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"syscall"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"
)

var (
	// ErrDeadline is in the chain of the error of a query that did not end in time.
	ErrDeadline = errors.New("query did not end in time")
	// ErrTooManyBytes is in the chain of the error of a query that was refused,
	// before it cost anything, because it would have been billed for more than
	// [Options.MaxBytes]. A query with shorter windows may pass.
	ErrTooManyBytes = errors.New("more bytes than the limit")
)

// tooMany marks a refusal as an ErrTooManyBytes and leaves its text alone.
type tooMany struct{ error }

func (e tooMany) Unwrap() []error { return []error{e.error, ErrTooManyBytes} }

// place is where a query ran: what an error has to name so that somebody can
// do something about it.
type place struct {
	table    Table
	billing  string
	location string
	endpoint string
	kind     Kind
	maxBytes int64
}

// fault is what BigQuery said, whichever of the library's two error types
// carried it: googleapi.Error for a refused call, bigquery.Error for a job that
// failed. The reasons are listed at
// https://docs.cloud.google.com/bigquery/docs/error-messages.
type fault struct {
	code    int // HTTP status; 0 for a failed job
	reason  string
	message string
}

func faultOf(err error) (fault, bool) {
	f, ok := said(err)
	// The emulator calls every failure an internal error; only the message
	// tells. https://github.com/goccy/bigquery-emulator
	switch {
	case strings.Contains(f.message, "Table not found"):
		f.reason = "notFound"
	case strings.Contains(f.message, "failed to analyze"):
		f.reason = "invalidQuery"
	}
	return f, ok
}

func said(err error) (fault, bool) {
	var api *googleapi.Error
	if errors.As(err, &api) {
		f := fault{code: api.Code, message: api.Message}
		if len(api.Errors) > 0 {
			f.reason = api.Errors[0].Reason
			if f.message == "" {
				f.message = api.Errors[0].Message
			}
		}
		return f, true
	}
	var job *bq.Error
	if errors.As(err, &job) {
		return fault{reason: job.Reason, message: job.Message}, true
	}
	return fault{}, false
}

// explain says in one sentence what failed, where, and what to do; err stays in
// the chain.
func (p place) explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("query %s: %w", p.table, err)
	}
	where, do := p.advise(err)
	if do == "" {
		return fmt.Errorf("query %s: %w", where, err)
	}
	if f, _ := faultOf(err); f.reason == reasonBytes {
		err = tooMany{err}
	}
	return fmt.Errorf("query %s: %s: %w", where, do, err)
}

// advise returns what to name and what to do about err; do is empty when
// nothing better can be said than the error itself.
func (p place) advise(err error) (where, do string) {
	table := p.table.String()
	f, ok := faultOf(err)
	late := errors.Is(err, ErrDeadline) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case ok && !f.transient():
		return p.adviseFault(f)
	case ok && late:
		return table, "BigQuery kept failing until the deadline; look at status.cloud.google.com, nothing was decided and the next run tries again"
	case ok:
		return table, "BigQuery failed several times; look at status.cloud.google.com, nothing was decided and the next run tries again"
	case unreachable(err):
		at := p.endpoint
		if at == "" {
			at = "https://bigquery.googleapis.com"
		}
		return table, "cannot reach " + at + "; check the network policy, the proxy and --bigquery-endpoint"
	case late:
		return table, "did not answer before the deadline and was cancelled; shorten the windows of the rules, or look for a queue of slots in project " + p.billing
	}
	if noCredentials(err) {
		return table, credentialAdvice
	}
	return table, ""
}

const credentialAdvice = "no usable Google credentials; bind a service account with Workload Identity, or set GOOGLE_APPLICATION_CREDENTIALS to the path of a key file"

func (p place) adviseFault(f fault) (where, do string) {
	table := p.table.String()
	switch {
	case f.code == 401:
		return table, credentialAdvice
	case f.reason == "accessNotConfigured" || strings.Contains(f.message, "has not been used in project"):
		return "in project " + p.billing, "the BigQuery API is off; run gcloud services enable bigquery.googleapis.com --project " + p.billing
	case f.code == 403 && strings.Contains(f.message, "VPC Service Controls"):
		return table, "a VPC Service Controls perimeter forbids it; add this workload's project or service account to the perimeter of project " + p.table.Project
	case f.reason == "billingNotEnabled" || strings.Contains(f.message, "Billing has not been enabled"):
		return "in project " + p.billing, "the project has no billing account; link one, or name another project for the queries"
	case f.reason == "accessDenied" || f.reason == "forbidden":
		return p.adviseAccess(f.message)
	case f.reason == "notFound" || f.code == 404:
		return p.adviseMissing(f.message)
	case f.reason == reasonBytes:
		return table, p.adviseBytes(needed(f.message))
	case f.reason == "quotaExceeded":
		return "in project " + p.billing, "a BigQuery quota is used up (often the custom daily quota); raise it or wait until it renews"
	case f.code == 429:
		return "in project " + p.billing, "BigQuery is asked too often; run fewer blockers at once, the next run tries again"
	case f.reason == "resourcesExceeded":
		return table, "needs more memory than BigQuery gives one query; shorten the windows or narrow the where of the rules that match most requests"
	case f.reason == "stopped":
		return table, "somebody cancelled the job or it ran into its time limit; run again, with shorter windows if it was the limit"
	case f.reason == "invalidQuery" || f.reason == "invalid" || f.code == 400:
		return p.adviseQuery(f.message)
	}
	return table, ""
}

// reasonBytes is how BigQuery refuses a query for the limit it carries.
const reasonBytes = "bytesBilledLimitExceeded"

func (p place) adviseBytes(needed string) string {
	return fmt.Sprintf("would read more than --max-bytes %d (%s needed) and was stopped before it cost anything; shorten the longest window, check that the table is partitioned on timestamp, or raise --max-bytes", p.maxBytes, needed)
}

// adviseAccess tells the two grants apart by the permission Google names.
func (p place) adviseAccess(message string) (where, do string) {
	job := "roles/bigquery.jobUser on project " + p.billing
	data := "roles/bigquery.dataViewer on dataset " + p.table.dataset()
	switch {
	case strings.Contains(message, "policy tag"):
		return p.table.String(), "a column has a policy tag; grant roles/datacatalog.categoryFineGrainedReader on that tag to the blocker's service account, or leave the column out of the rules"
	case strings.Contains(message, "cloudkms."):
		return p.table.String(), "the table's encryption key may not be used; grant roles/cloudkms.cryptoKeyEncrypterDecrypter on it to BigQuery's own service account"
	case strings.Contains(message, "bigquery.jobs."):
		return "in project " + p.billing, "may not run jobs; grant " + job + " to the blocker's service account"
	case strings.Contains(message, "Access Denied: Table") || strings.Contains(message, "Access Denied: Dataset") ||
		strings.Contains(message, "bigquery.tables.") || strings.Contains(message, "bigquery.datasets."):
		return p.table.String(), "may not read the table; grant " + data + " to the blocker's service account"
	}
	return p.table.String(), "access denied; grant " + job + " and " + data + " to the blocker's service account"
}

func (p place) adviseMissing(message string) (where, do string) {
	in := ""
	if p.location != "" {
		in = " in location " + p.location
	}
	switch {
	case strings.Contains(message, "Not found: Dataset"):
		return p.table.String(), "dataset " + p.table.dataset() + " does not exist" + in + "; check its name, and that --location names the place where it lies"
	case strings.Contains(message, "Not found: Project"):
		return p.table.String(), "no project of that name; check " + p.table.Project + " and " + p.billing
	case strings.Contains(message, "Not found: Job"):
		return p.table.String(), "the job is unknown" + in + "; check that --location names the place where the dataset lies"
	}
	do = "the table does not exist" + in + "; check its name"
	switch p.kind {
	case Sink:
		do += " (the Log Router names it after the log id and creates it with the first entry; use_partitioned_tables must be set)"
	case Fastly:
		do += " (Fastly creates no table; make one partitioned by hour on timestamp and clustered by client_ip, with columns named as the log format's fields)"
	}
	return p.table.String(), do
}

var (
	unknownName  = regexp.MustCompile(`(?:Unrecognized name: |Field name )([^\s;]+)`)
	bytesNeeded  = regexp.MustCompile(`([0-9]+) or higher required`)
	partitionCol = regexp.MustCompile(`without a filter over column\(s\) (.+?) that can be used for partition elimination`)
)

func (p place) adviseQuery(message string) (where, do string) {
	table := p.table.String()
	if m := unknownName.FindStringSubmatch(message); m != nil {
		do = fmt.Sprintf("the table has no column %s, which table kind %s reads; ", strings.Trim(m[1], "`"), p.kind)
		if p.kind == Custom {
			return table, do + "correct the column mapping"
		}
		return table, do + "check that --table-kind is the right one, or add the column"
	}
	if m := partitionCol.FindStringSubmatch(message); m != nil {
		return table, "the table is partitioned on " + m[1] + " and refuses queries that do not bound it; partition it on the event time, or map timestamp to that column"
	}
	if strings.Contains(message, "No matching signature") {
		return table, "a column has another type than table kind " + string(p.kind) + " expects; give the column the type of the record's field, or correct the column mapping"
	}
	if strings.Contains(message, "location") {
		return table, "refused for its location; set --location to the place where dataset " + p.table.dataset() + " lies"
	}
	return table, "BigQuery refused the query"
}

func needed(message string) string {
	if m := bytesNeeded.FindStringSubmatch(message); m != nil {
		return m[1] + " bytes"
	}
	return "more"
}

// transient reports whether a job that failed so is worth another job. It is
// the list of reasons the library retries for a call that enqueues a job, plus
// the same reasons as a failed job spells them.
func (f fault) transient() bool {
	switch f.reason {
	case "backendError", "internalError", "jobBackendError", "jobInternalError", "rateLimitExceeded", "jobRateLimitExceeded", "tableUnavailable":
		return true
	case "":
		return f.code >= 500 && f.code != 501
	}
	return f.code == 500 || f.code == 502 || f.code == 503 || f.code == 504
}

func unreachable(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || errors.As(err, &op) || errors.Is(err, syscall.ECONNREFUSED)
}

func noCredentials(err error) bool {
	s := err.Error()
	return strings.Contains(s, "could not find default credentials") || strings.Contains(s, "cannot fetch token") ||
		strings.Contains(s, "oauth2:") || strings.Contains(s, "credentials:")
}
