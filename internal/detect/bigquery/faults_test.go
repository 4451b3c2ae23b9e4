package bigquery_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/detect/bigquery/bqtest"
)

const (
	tableID   = "logs-project:edge_logs.fastly"
	datasetID = "logs-project:edge_logs"
)

func refusal(status int, reason, message string) bqtest.Failure {
	return bqtest.Failure{Status: status, Reason: reason, Message: message}
}

func TestARefusalSaysWhatAndWhereAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name string
		call bqtest.Call
		fail bqtest.Failure
		says []string
	}{
		{"may not run jobs", bqtest.JobsInsert, bqtest.AccessDeniedJobs("ops-project"),
			[]string{"in project ops-project", "grant roles/bigquery.jobUser on project ops-project to the blocker's service account"}},
		{"may not read the table", bqtest.JobRun, bqtest.AccessDeniedTable(tableID),
			[]string{"logs-project.edge_logs.fastly", "grant roles/bigquery.dataViewer on dataset logs-project:edge_logs to"}},
		{"access denied without a permission", bqtest.JobsInsert, refusal(403, "accessDenied", "Access Denied"),
			[]string{"roles/bigquery.jobUser on project ops-project and roles/bigquery.dataViewer on dataset logs-project:edge_logs"}},
		{"no such table", bqtest.JobRun, bqtest.TableNotFound(tableID, "EU"),
			[]string{"the table does not exist in location EU; check its name", "use_partitioned_tables must be set"}},
		{"no such table, as the emulator says it", bqtest.JobRun, refusal(500, "jobInternalError", "failed to analyze: Table not found: `p.d.t` [at 24:10]"), []string{"the table does not exist in location EU"}},
		{"a missing column, as the emulator says it", bqtest.JobRun, refusal(500, "jobInternalError", "failed to analyze: Unrecognized name: statuss; Did you mean status? [at 1:8]"), []string{"the table has no column statuss"}},
		{"no such dataset, or another location", bqtest.JobRun, bqtest.DatasetNotFound(datasetID, "EU"),
			[]string{"dataset logs-project:edge_logs does not exist in location EU; check its name, and that --location names the place where it lies"}},
		{"no such project", bqtest.JobRun, refusal(404, "notFound", "Not found: Project logs-project"), []string{"no project of that name; check logs-project and ops-project"}},
		{"no such job", bqtest.Results, refusal(404, "notFound", "Not found: Job ops-project:x"), []string{"the job is unknown in location EU; check the location of the dataset"}},
		{"a missing column", bqtest.JobRun, bqtest.UnknownColumn("client_kay"),
			[]string{"the table has no column client_kay, which table kind sink reads; check that --table-kind is the right one"}},
		{"a missing field of a record", bqtest.JobRun, refusal(400, "invalidQuery", "Field name ja4 does not exist in STRUCT<a STRING> at [3:5]"), []string{"the table has no column ja4"}},
		{"a column of another type", bqtest.JobRun, refusal(400, "invalidQuery", "No matching signature for operator >= for argument types: DATETIME, TIMESTAMP."), []string{"a column has another type than table kind sink expects"}},
		{"partitioned on another column", bqtest.JobRun, refusal(400, "invalidQuery", "Cannot query over table 'x' without a filter over column(s) '_PARTITION_LOAD_TIME', '_PARTITIONDATE' that can be used for partition elimination"),
			[]string{"partitioned on '_PARTITION_LOAD_TIME', '_PARTITIONDATE' and refuses", "partition it on the event time"}},
		{"refused for its location", bqtest.JobsInsert, refusal(400, "invalid", "Cannot process data across locations: US,EU"), []string{"set --location to the place where dataset logs-project:edge_logs lies"}},
		{"a text BigQuery does not take", bqtest.JobRun, refusal(400, "invalidQuery", "Syntax error: Unexpected identifier"), []string{"BigQuery refused the query", "Syntax error"}},
		{"a quota", bqtest.JobsInsert, bqtest.QuotaExceeded(), []string{"in project ops-project", "a BigQuery quota is used up", "raise it or wait"}},
		{"too many calls", bqtest.JobsInsert, bqtest.Failure{Status: 429, Body: `{"error":{"code":429,"message":"Too Many Requests"}}`, Message: "Too Many Requests"}, []string{"in project ops-project", "asked too often"}},
		{"too much memory", bqtest.JobRun, refusal(400, "resourcesExceeded", "Resources exceeded during query execution"), []string{"shorten the windows or narrow the where"}},
		{"cancelled by somebody", bqtest.JobRun, refusal(400, "stopped", "Job execution was cancelled"), []string{"somebody cancelled the job or it ran into its time limit"}},
		{"the API is off", bqtest.JobsInsert, refusal(403, "accessNotConfigured", "BigQuery API has not been used in project 1 before or it is disabled."), []string{"gcloud services enable bigquery.googleapis.com --project ops-project"}},
		{"a service perimeter", bqtest.JobsInsert, refusal(403, "policyViolation", "VPC Service Controls: Request is prohibited by organization's policy."), []string{"add this workload's project or service account to the perimeter of project logs-project"}},
		{"a column that is tagged", bqtest.JobRun, refusal(403, "accessDenied", `Access Denied: BigQuery BigQuery: User does not have permission to access policy tag pii on column edge_logs.fastly.client_ip.`),
			[]string{"roles/datacatalog.categoryFineGrainedReader", "client_ip"}},
		{"a key that may not be used", bqtest.JobRun, refusal(403, "accessDenied", "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource"), []string{"roles/cloudkms.cryptoKeyEncrypterDecrypter"}},
		{"no billing account", bqtest.JobsInsert, refusal(403, "billingNotEnabled", "Billing has not been enabled for this project."), []string{"in project ops-project", "no billing account"}},
		{"credentials that are refused", bqtest.JobsInsert, refusal(401, "authError", "Invalid Credentials"), []string{"no usable Google credentials", "Workload Identity", "GOOGLE_APPLICATION_CREDENTIALS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
				o.BillingProject, s.Billing = "ops-project", "ops-project"
			})
			s.Fail(c.call, c.fail)
			_, err := e.Detect(t.Context(), question(t))
			if err == nil {
				t.Fatal("no error")
			}
			for _, say := range append(c.says, "query ", c.fail.Message) {
				if !strings.Contains(err.Error(), say) {
					t.Errorf("does not say %q: %v", say, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			var api *googleapi.Error
			var job *bq.Error
			if !errors.As(err, &api) && !errors.As(err, &job) {
				t.Errorf("the library's error is not in the chain of %v", err)
			}
			if n := s.Calls(bqtest.JobsInsert); n != 1 {
				t.Errorf("%d jobs were started for a refusal that does not pass", n)
			}
		})
	}
}

func TestTheByteLimitStopsARunawayBeforeItCosts(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, _ *bigquery.Options) { s.Bytes = 60 << 30 })
	_, err := e.Detect(t.Context(), question(t))
	for _, say := range []string{"would read more than --max-bytes 50GiB (60.0 GiB needed)", "shorten the longest window", "or raise --max-bytes"} {
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("does not say %q: %v", say, err)
		}
	}
	if !errors.Is(err, bigquery.ErrTooManyBytes) {
		t.Errorf("no ErrTooManyBytes: %v", err)
	}
	if s.Calls(bqtest.Results) != 0 || e.Billed() != 0 {
		t.Errorf("results were read %d times, %d bytes billed", s.Calls(bqtest.Results), e.Billed())
	}
}

func TestAWrongLocationIsSeenInTheTable(t *testing.T) {
	s, e := open(t, func(s *bqtest.Server, o *bigquery.Options) {
		s.Schema, s.Location, o.Location = sinkSchema(), "US", "EU"
	})
	_, err := e.Detect(t.Context(), question(t))
	if err == nil || !strings.Contains(err.Error(), "dataset logs-project:edge_logs lies in US, not in EU; set --location US") {
		t.Error(err)
	}
	if n := s.Calls(bqtest.JobsInsert); n != 0 {
		t.Errorf("%d jobs were started", n)
	}
}

func TestAnUnknownLocationIsAskedFor(t *testing.T) {
	_, e := open(t, func(_ *bqtest.Server, o *bigquery.Options) { o.Location = "" })
	_, err := e.Detect(t.Context(), question(t))
	if err == nil || !strings.Contains(err.Error(), "set --location to skip this") {
		t.Error(err)
	}
}

func TestAMissingTableIsNamedForItsKind(t *testing.T) {
	s, e := open(t, func(_ *bqtest.Server, o *bigquery.Options) { o.Kind = bigquery.Fastly })
	s.Fail(bqtest.JobRun, bqtest.TableNotFound(tableID, "EU"))
	_, err := e.Detect(t.Context(), question(t))
	if err == nil || !strings.Contains(err.Error(), "Fastly creates no table; make one partitioned by hour on timestamp") {
		t.Error(err)
	}
}

// soon is a deadline that a test waits for: long enough for the calls before it to be made on a busy machine.
const soon = 2 * time.Second

func TestAnUnreachableEndpointIsNamed(t *testing.T) {
	t.Parallel()
	_, e := open(t, func(_ *bqtest.Server, o *bigquery.Options) { o.Endpoint = "http://127.0.0.1:1" })
	ctx, stop := context.WithTimeout(t.Context(), soon)
	defer stop()
	_, err := e.Detect(ctx, question(t))
	if err == nil || !strings.Contains(err.Error(), "cannot reach http://127.0.0.1:1; check the network policy, the proxy and --bigquery-endpoint") {
		t.Error(err)
	}
}

func TestBrokenCredentialsAreSeenAtTheStart(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	_, err := bigquery.Open(t.Context(), bigquery.Options{Table: "p.d.t"})
	if err == nil || !strings.Contains(err.Error(), "open BigQuery for p.d.t: no usable Google credentials") {
		t.Error(err)
	}
	const secret = "-----BEGIN PRIVATE KEY-----hunter2"
	_, err = bigquery.Open(t.Context(), bigquery.Options{Table: "p.d.t", ClientOptions: []option.ClientOption{
		option.WithAuthCredentialsJSON(option.ServiceAccount, []byte(`{"type":"service_account","private_key":"`+secret+`"`))}})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v is none, or holds the key", err)
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		call bqtest.Call
		fail bqtest.Failure
		jobs int // that were started
	}{
		{"a backend error of the insert", bqtest.JobsInsert, bqtest.BackendError(), 1},
		{"a rate limit", bqtest.JobsInsert, refusal(403, "rateLimitExceeded", "Exceeded rate limits"), 1},
		{"a proxy's 502 page", bqtest.JobsInsert, bqtest.Failure{Status: 502, Body: "<html>"}, 1},
		{"a backend error of the status", bqtest.JobsGet, bqtest.BackendError(), 1},
		{"a backend error of the results", bqtest.Results, bqtest.BackendError(), 1},
		{"an insert whose answer was lost", bqtest.JobsInsert, bqtest.Failure{Status: 503, Reason: "backendError", Accept: true}, 1},
		{"a job that failed with a backend error", bqtest.JobRun, bqtest.BackendError(), 2},
		{"a job that failed with an internal error", bqtest.JobRun, refusal(500, "jobInternalError", "try again"), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, e := open(t, nil)
			s.Fail(c.call, c.fail)
			if c.call == bqtest.JobsGet {
				// The status is asked for only while the job is not done.
				s.Slow(1)
			}
			res, err := e.Detect(t.Context(), question(t))
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Offenders) != 2 || res.Health.BytesScanned == 0 {
				t.Errorf("answer %+v", res)
			}
			if n := s.Jobs(); n != c.jobs {
				t.Errorf("%d jobs were started, want %d", n, c.jobs)
			}
		})
	}
}

func TestAJobThatFailsAgainAndAgainIsGivenUp(t *testing.T) {
	t.Parallel()
	s, e := open(t, nil)
	s.Fail(bqtest.JobRun, bqtest.BackendError(), bqtest.BackendError(), bqtest.BackendError())
	_, err := e.Detect(t.Context(), question(t))
	if err == nil || !strings.Contains(err.Error(), "BigQuery failed several times") || !strings.Contains(err.Error(), "the next run tries again") {
		t.Error(err)
	}
	if n := s.Jobs(); n != 3 {
		t.Errorf("%d jobs", n)
	}
}

func TestTheDeadlineEndsRetries(t *testing.T) {
	t.Parallel()
	s, e := open(t, func(_ *bqtest.Server, o *bigquery.Options) { o.Deadline = soon })
	s.Fail(bqtest.JobsInsert, slices.Repeat([]bqtest.Failure{bqtest.BackendError()}, 50)...)
	_, err := e.Detect(context.WithoutCancel(t.Context()), question(t))
	if !errors.Is(err, bigquery.ErrDeadline) || !strings.Contains(err.Error(), "BigQuery kept failing until the deadline") {
		t.Error(err)
	}
}

func TestTheDeadlineCancelsTheJob(t *testing.T) {
	t.Parallel()
	s, e := open(t, func(_ *bqtest.Server, o *bigquery.Options) { o.Deadline = soon })
	cancelled := s.Hang()
	_, err := e.Detect(context.WithoutCancel(t.Context()), question(t)) // a context that never ends
	if !errors.Is(err, bigquery.ErrDeadline) || !strings.Contains(err.Error(), "did not answer before the deadline and was cancelled; shorten the windows") {
		t.Error(err)
	}
	if id := <-cancelled; id != s.Queries()[0].JobID {
		t.Errorf("cancelled %q", id)
	}
}

func TestACancelledContextCancelsTheJob(t *testing.T) {
	t.Parallel()
	s, e := open(t, nil)
	cancelled := s.Hang()
	ctx, stop := context.WithCancel(t.Context())
	started := s.Started()
	go func() { <-started; stop() }()
	_, err := e.Detect(ctx, question(t))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if id := <-cancelled; id != s.Queries()[0].JobID {
		t.Errorf("cancelled %q", id)
	}
}

func TestAJobWhoseInsertWasNeverAnsweredIsCancelledToo(t *testing.T) {
	t.Parallel()
	s, e := open(t, func(_ *bqtest.Server, o *bigquery.Options) { o.Deadline = soon })
	cancelled := s.Hang()
	lost := bqtest.Failure{Status: 503, Reason: "backendError", Accept: true}
	s.Fail(bqtest.JobsInsert, lost)
	s.Fail(bqtest.JobsInsert, slices.Repeat([]bqtest.Failure{bqtest.BackendError()}, 50)...)
	if _, err := e.Detect(t.Context(), question(t)); err == nil {
		t.Fatal("no error")
	}
	if id := <-cancelled; id != s.Queries()[0].JobID {
		t.Errorf("cancelled %q", id)
	}
}

func TestACancelThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	s, e := open(t, func(_ *bqtest.Server, o *bigquery.Options) { o.Deadline = soon })
	s.Hang()
	s.Fail(bqtest.JobsCancel, refusal(403, "accessDenied", "no"))
	if _, err := e.Detect(t.Context(), question(t)); !errors.Is(err, bigquery.ErrDeadline) {
		t.Error(err)
	}
}

func TestRowsAreReadEvenWhereNothingElseMayBe(t *testing.T) {
	s, e := open(t, nil)
	s.Slow(1)
	s.Fail(bqtest.TablesGet, refusal(403, "accessDenied", "Permission bigquery.tables.get denied"))
	s.Fail(bqtest.JobsGet, refusal(403, "accessDenied", "Permission bigquery.jobs.get denied"))
	res, err := e.Detect(t.Context(), question(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Offenders) != 2 || res.Health.BytesScanned != 0 {
		t.Errorf("answer %+v", res)
	}
}

func TestAnEstimateSaysWhatIsWrongToo(t *testing.T) {
	s, e := open(t, nil)
	s.Fail(bqtest.JobsInsert, bqtest.TableNotFound(tableID, "EU"))
	if _, err := e.EstimateBytes(t.Context(), question(t)); err == nil || !strings.Contains(err.Error(), "the table does not exist in location EU") {
		t.Error(err)
	}
}
