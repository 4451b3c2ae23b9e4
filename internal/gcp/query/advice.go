package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	// ErrDeadline is in the chain of the error of a query that did not end in time.
	ErrDeadline = errors.New("query did not end in time")
	// ErrTooManyBytes is in the chain of the error of a query that was refused,
	// before it cost anything, because it would have been billed for more than
	// its limit. A query with shorter windows may pass.
	ErrTooManyBytes = errors.New("more bytes than the limit")
	// ErrTooMuchMemory is in the chain of the error of a query that needed more
	// memory than BigQuery gives one. It is billed for nothing, and one with
	// shorter windows may pass.
	ErrTooMuchMemory = errors.New("more memory than one query gets")
)

// tooMuch marks an error as one of those above and leaves its text alone.
type tooMuch struct {
	error
	kind error
}

func (e tooMuch) Unwrap() []error { return []error{e.error, e.kind} }

// Place is where a query runs, and what its caller would say of it: what an
// error has to name so that somebody can do something about it.
type Place struct {
	Verb     string // how an error begins; empty means query
	Table    Table
	Billing  string // the project that runs and pays for jobs
	Location string // of the dataset; empty when it is not known
	Endpoint string // empty means Google's
	MaxBytes int64  // of a query
	Limit    string // what the caller calls MaxBytes, such as a flag

	Does      string                   // what the caller does with the table; empty means read
	Grant     string                   // the role it needs for that, and where; empty means roles/bigquery.dataViewer on the dataset
	Where     string                   // how the location is set, after "check its name"
	NoTable   string                   // what to do when there is no table, after "the table does not exist; check its name"
	NoColumn  func(name string) string // what to say of a column that is missing
	WrongType string                   // what to do when a column has another type
	Less      string                   // how a query is made to do less
	Smaller   string                   // what to do when a query would read more than MaxBytes
}

// Explain says in one sentence what failed, where, and what to do; err stays in
// the chain.
func (p Place) Explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s %s: %w", p.verb(), p.Table, err)
	}
	where, do := p.advise(err)
	if do == "" {
		return fmt.Errorf("%s %s: %w", p.verb(), where, err)
	}
	switch f, _ := faultOf(err); f.reason {
	case reasonBytes:
		err = tooMuch{err, ErrTooManyBytes}
	case reasonMemory:
		err = tooMuch{err, ErrTooMuchMemory}
	}
	return fmt.Errorf("%s %s: %s: %w", p.verb(), where, do, err)
}

func (p Place) verb() string { return cmp.Or(p.Verb, "query") }

// advise returns what to name and what to do about err; do is empty when
// nothing better can be said than the error itself.
func (p Place) advise(err error) (where, do string) {
	table := p.Table.String()
	f, ok := faultOf(err)
	late := errors.Is(err, ErrDeadline) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case ok && !f.transient():
		return p.adviseFault(f)
	case ok && late:
		return table, "BigQuery kept failing until the deadline; look at status.cloud.google.com, nothing was decided and the next run tries again"
	case ok:
		return table, "BigQuery failed several times; look at status.cloud.google.com, nothing was decided and the next run tries again"
	case Unreachable(err):
		at := p.Endpoint
		if at == "" {
			at = "https://bigquery.googleapis.com"
		}
		return table, "cannot reach " + at + "; check the network policy, the proxy and --bigquery-endpoint"
	case late:
		return table, "did not answer before the deadline and was cancelled; " + p.Less + ", or look for a queue of slots in project " + p.Billing
	}
	if noCredentials(err) {
		return table, CredentialAdvice
	}
	return table, ""
}

// CredentialAdvice is what to do where there are no credentials.
const CredentialAdvice = "no usable Google credentials; bind a service account with Workload Identity, or set GOOGLE_APPLICATION_CREDENTIALS to the path of a key file"

func (p Place) adviseFault(f fault) (where, do string) {
	table := p.Table.String()
	switch {
	case f.code == 401:
		return table, CredentialAdvice
	case f.reason == "accessNotConfigured" || strings.Contains(f.message, "has not been used in project"):
		return "in project " + p.Billing, "the BigQuery API is off; run gcloud services enable bigquery.googleapis.com --project " + p.Billing
	case f.code == 403 && strings.Contains(f.message, "VPC Service Controls"):
		return table, "a VPC Service Controls perimeter forbids it; add this workload's project or service account to the perimeter of project " + p.Table.Project
	case f.reason == "billingNotEnabled" || strings.Contains(f.message, "Billing has not been enabled"):
		return "in project " + p.Billing, "the project has no billing account; link one, or name another project for the queries"
	case f.reason == "accessDenied" || f.reason == "forbidden":
		return p.adviseAccess(f.message)
	case f.reason == "notFound" || f.code == 404:
		return p.adviseMissing(f.message)
	case f.reason == reasonBytes:
		return table, p.TooManyBytes(needed(f.message))
	case f.reason == "quotaExceeded":
		return "in project " + p.Billing, "a BigQuery quota is used up (often the custom daily quota); raise it or wait until it renews"
	case f.code == 429:
		return "in project " + p.Billing, "BigQuery is asked too often; run fewer blockers at once, the next run tries again"
	case f.reason == reasonMemory:
		return table, "needs more memory than BigQuery gives one query; " + p.Less
	case f.reason == "stopped":
		return table, "somebody cancelled the job or it ran into its time limit; run again and, if it was the limit, " + p.Less
	case f.reason == "invalidQuery" || f.reason == "invalid" || f.code == 400:
		return p.adviseQuery(f.message)
	}
	return table, ""
}

// How BigQuery refuses a query for the limit it carries, and for its own.
const (
	reasonBytes  = "bytesBilledLimitExceeded"
	reasonMemory = "resourcesExceeded"
)

// TooManyBytes is the sentence about a query that needs more than its limit.
func (p Place) TooManyBytes(needed string) string {
	return fmt.Sprintf("would read more than %s %s (%s needed) and was stopped before it cost anything; %s", p.Limit, Limit(p.MaxBytes), needed, p.Smaller)
}

// adviseAccess tells the two grants apart by the permission Google names.
func (p Place) adviseAccess(message string) (where, do string) {
	job := "roles/bigquery.jobUser on project " + p.Billing
	data := cmp.Or(p.Grant, "roles/bigquery.dataViewer on dataset "+p.Table.DatasetID())
	const to = " to the blocker's service account"
	switch {
	case strings.Contains(message, "policy tag"):
		return p.Table.String(), "a column has a policy tag; grant roles/datacatalog.categoryFineGrainedReader on that tag" + to + ", or leave the column out of the rules"
	case strings.Contains(message, "cloudkms."):
		return p.Table.String(), "the table's encryption key may not be used; grant roles/cloudkms.cryptoKeyEncrypterDecrypter on it to BigQuery's own service account"
	case strings.Contains(message, "bigquery.jobs."):
		return "in project " + p.Billing, "may not run jobs; grant " + job + to
	case strings.Contains(message, "Access Denied: Table") || strings.Contains(message, "Access Denied: Dataset") ||
		strings.Contains(message, "bigquery.tables.") || strings.Contains(message, "bigquery.datasets."):
		return p.Table.String(), "may not " + cmp.Or(p.Does, "read") + " the table; grant " + data + to
	}
	return p.Table.String(), "access denied; grant " + job + " and " + data + to
}

func (p Place) adviseMissing(message string) (where, do string) {
	in := ""
	if p.Location != "" {
		in = " in location " + p.Location
	}
	switch {
	case strings.Contains(message, "Not found: Dataset"):
		return p.Table.String(), "dataset " + p.Table.DatasetID() + " does not exist" + in + "; check its name" + p.Where
	case strings.Contains(message, "Not found: Project"):
		return p.Table.String(), "no project of that name; check " + p.Table.Project + " and " + p.Billing
	case strings.Contains(message, "Not found: Job"):
		return p.Table.String(), "the job is unknown" + in + "; check the location of the dataset"
	}
	return p.Table.String(), "the table does not exist" + in + "; check its name" + p.NoTable
}

var (
	unknownName  = regexp.MustCompile(`(?:Unrecognized name: |Field name )([^\s;]+)`)
	bytesNeeded  = regexp.MustCompile(`([0-9]+) or higher required`)
	partitionCol = regexp.MustCompile(`without a filter over column\(s\) (.+?) that can be used for partition elimination`)
)

func (p Place) adviseQuery(message string) (where, do string) {
	table := p.Table.String()
	if m := unknownName.FindStringSubmatch(message); m != nil {
		return table, p.NoColumn(strings.Trim(m[1], "`"))
	}
	if m := partitionCol.FindStringSubmatch(message); m != nil {
		return table, "the table is partitioned on " + m[1] + " and refuses queries that do not bound it; partition it on the event time, or map timestamp to that column"
	}
	if strings.Contains(message, "No matching signature") {
		return table, p.WrongType
	}
	if strings.Contains(message, "location") {
		return table, "refused for its location; set --location to the place where dataset " + p.Table.DatasetID() + " lies"
	}
	return table, "BigQuery refused the query"
}

func needed(message string) string {
	if m := bytesNeeded.FindStringSubmatch(message); m != nil {
		if n, err := strconv.ParseInt(m[1], 10, 64); err == nil {
			return Size(n)
		}
	}
	return "more"
}
