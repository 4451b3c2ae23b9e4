package bigquery

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/option"

	"edgewarden/internal/gcp/query"
)

const (
	// DefaultMaxBytes stops a query that would read more than any sound window
	// holds. It is a runaway stop, not a budget.
	DefaultMaxBytes = 50 << 30
	// MinMaxBytes is what BigQuery bills at least for a table; a lower limit
	// refuses every query.
	// https://cloud.google.com/bigquery/pricing#on_demand_pricing
	MinMaxBytes = 10 << 20
	// DefaultDeadline bounds one query, its retries included.
	DefaultDeadline = 3 * time.Minute
)

// Options configure an [Engine].
type Options struct {
	Table          string // PROJECT.DATASET.TABLE
	Kind           Kind   // empty means Sink
	BillingProject string // the project that runs and pays for queries; empty means the table's

	// Location is where the dataset lies, such as EU or europe-west4. Empty asks
	// the table.
	Location string

	// Endpoint is the base URL of the API; empty means Google's. To one of
	// http:// no credentials are sent, and ClientOptions are not used.
	Endpoint string

	// Columns maps record fields to columns, for Custom only. A column is a
	// name or a dotted path into a record ("http.status"); a value that begins
	// with = is a constant text ("=SVC1"). Without sender and address_source its
	// rows are not trusted; a constant there ("=token", "=edge") is the
	// operator's word for all of them.
	Columns map[string]string

	MaxBytes int64 // most bytes a query may be billed for; 0 means DefaultMaxBytes

	// Labels mark the jobs in the billing export, beside app=edgewarden and
	// query, which says what was asked for. Values are made to fit BigQuery's grammar.
	Labels map[string]string

	Deadline      time.Duration         // of one query; 0 means DefaultDeadline
	ClientOptions []option.ClientOption // credentials and the like
	Logger        *slog.Logger          // nil is silent
}

var (
	locationName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,40}$`)
	labelKey     = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
)

// Check says what makes the options impossible, all problems joined; no call is made for that.
func (o Options) Check() error {
	_, err := o.validate()
	return err
}

// validate fills defaults in and returns the table, or all problems joined.
func (o *Options) validate() (query.Table, error) {
	var errs []error
	table, err := query.ParseTable(o.Table)
	if err != nil {
		errs = append(errs, err)
	}
	if o.Kind == "" {
		o.Kind = Sink
	}
	if !slices.Contains([]Kind{Sink, Fastly, Custom}, o.Kind) {
		errs = append(errs, fmt.Errorf("table kind %q: not known; choose sink (written by the Log Router), fastly (written by Fastly's BigQuery endpoint) or custom (with a column mapping)", o.Kind))
	}
	errs = append(errs, o.validateColumns()...)
	if o.BillingProject == "" {
		o.BillingProject = table.Project
	}
	if o.BillingProject != "" && !query.IsProject(o.BillingProject) {
		errs = append(errs, fmt.Errorf("billing project %q: no project id; use lower-case letters, digits and dashes", o.BillingProject))
	}
	if o.Location != "" && !locationName.MatchString(o.Location) {
		errs = append(errs, fmt.Errorf("location %q: not a BigQuery location; write the dataset's, such as EU, US or europe-west4", o.Location))
	}
	if err := query.CheckEndpoint(o.Endpoint); err != nil {
		errs = append(errs, err)
	}
	switch {
	case o.MaxBytes == 0:
		o.MaxBytes = DefaultMaxBytes
	case o.MaxBytes < MinMaxBytes:
		errs = append(errs, fmt.Errorf("max bytes %d: BigQuery bills at least %s a query, so nothing could run; raise it or leave it out (%s)", o.MaxBytes, query.Size(MinMaxBytes), query.Size(DefaultMaxBytes)))
	}
	switch {
	case o.Deadline == 0:
		o.Deadline = DefaultDeadline
	case o.Deadline < 0:
		errs = append(errs, fmt.Errorf("deadline %v: must be positive", o.Deadline))
	}
	if o.Labels, err = labels(o.Labels); err != nil {
		errs = append(errs, err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return table, errors.Join(errs...)
}

// labels adds the label of the application and makes values fit: at most 63 of
// [a-z0-9_-]. https://docs.cloud.google.com/bigquery/docs/labels-intro#requirements
func labels(in map[string]string) (map[string]string, error) {
	out := map[string]string{"app": "edgewarden"}
	var errs []error
	for _, k := range slices.Sorted(maps.Keys(in)) {
		if !labelKey.MatchString(k) || k == "query" {
			errs = append(errs, fmt.Errorf("label %q: not usable; begin with a letter, use a-z 0-9 _ -, at most 63 of them, and not the name query", k))
			continue
		}
		out[k] = labelValue(in[k])
	}
	if len(out) > 63 { // BigQuery allows 64, and query is added to each job.
		errs = append(errs, fmt.Errorf("%d labels: at most 62 can be added to app and query", len(out)-1))
	}
	return out, errors.Join(errs...)
}

func labelValue(s string) string {
	fit := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	return fit[:min(len(fit), 63)]
}
