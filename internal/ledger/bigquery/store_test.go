package bigquery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/detect/bigquery/bqtest"
	"edgewarden/internal/ledger"
	"edgewarden/internal/ledger/bigquery"
)

const table = "audit-project.edge_audit.ledger"

// schema is the table as schema.json says it.
func schema(t *testing.T) []bqtest.Column {
	t.Helper()
	var columns []bqtest.Column
	if err := json.Unmarshal(bigquery.Schema, &columns); err != nil {
		t.Fatal(err)
	}
	return columns
}

// open starts a stand-in with the table, in a location of its own, and a store over it.
func open(t *testing.T, change func(*bqtest.Server, *bigquery.Options)) (*bqtest.Server, *bigquery.Store) {
	t.Helper()
	s := &bqtest.Server{Table: "audit-project.edge_logs.fastly", Kept: &bqtest.Kept{Name: table, Location: "europe-west4", Schema: schema(t)}}
	opt := bigquery.Options{Table: table, Deadline: 20 * time.Second}
	if change != nil {
		change(s, &opt)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	opt.Endpoint = h.URL
	store, err := bigquery.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return s, store
}

var now = time.Date(2031, 5, 6, 12, 0, 0, 123456789, time.UTC)

// hostile is text that a log line can bring into an event.
const hostile = "\x1b[31m'; DROP TABLE x; -- \" \\ \u2028 <script> \u202e \xff é 漢"

// chain writes the events of a run into the store.
func chain(t *testing.T, store ledger.Store, run string, names ...string) {
	t.Helper()
	c := ledger.NewChain(store, run, "ci@example.com", "host-1/blocker")
	for i, name := range names {
		if err := c.Add(t.Context(), ledger.Event{Time: now.Add(time.Duration(i) * time.Second), Event: name, Target: "SVC1/edgewarden_1/203.0.113.9/32",
			Detail: map[string]string{"reason": hostile, "strikes": fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
}

func since(t *testing.T, store ledger.Store, at time.Time) []ledger.Event {
	t.Helper()
	events, err := store.Since(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestWhatIsAppendedIsReadBackAndItsChainIsWhole(t *testing.T) {
	_, store := open(t, nil)
	var want []ledger.Event
	keep := &both{Store: store, events: &want}
	chain(t, keep, "run1", "block", "extend")
	chain(t, keep, "run0", "release") // a run whose id comes first in the alphabet, written later
	c := ledger.NewChain(keep, "run2", "ci", "here")
	if err := c.Add(t.Context(), ledger.Event{Event: "bare"}, ledger.Event{Event: "second of one append"}); err != nil {
		t.Fatal(err)
	}
	got := since(t, store, time.Time{})
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if problems := ledger.Verify(got); len(got) != 5 || len(problems) > 0 {
		t.Errorf("%d events, %v", len(got), problems)
	}
}

// both appends to the store and keeps what was appended.
type both struct {
	ledger.Store
	events *[]ledger.Event
}

func (b *both) Append(ctx context.Context, events []ledger.Event) error {
	*b.events = append(*b.events, events...)
	return b.Store.Append(ctx, events)
}

func TestOnlyWhatIsNewEnoughIsRead(t *testing.T) {
	_, store := open(t, nil)
	chain(t, store, "run1", "block", "extend", "release")
	if got := since(t, store, now.Add(time.Second)); len(got) != 2 || got[0].Event != "extend" {
		t.Errorf("%+v", got)
	}
}

func TestAChangedRowIsFound(t *testing.T) {
	for name, tamper := range map[string]func(row map[string]any){
		"its text":  func(row map[string]any) { row["actor"] = "somebody else" },
		"its order": func(row map[string]any) { row["stored"] = time.Unix(0, 0) },
	} {
		s, store := open(t, nil)
		chain(t, store, "run1", "block", "extend", "release")
		tamper(s.Kept.Rows()[1])
		if problems := ledger.Verify(since(t, store, time.Time{})); len(problems) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestARowThatIsNoRecordIsDamageAndTheOthersAreRead(t *testing.T) {
	s, store := open(t, nil)
	chain(t, store, "run1", "block", "extend", "release")
	s.Kept.Rows()[0]["detail"] = "no JSON"
	s.Kept.Rows()[2]["version"] = int64(2)
	events, err := store.Since(t.Context(), time.Time{})
	for _, say := range []string{table + " row 1: column detail", table + " row 3: record has version 2, written by a newer release"} {
		if !errors.Is(err, ledger.ErrDamaged) || len(events) != 1 || !strings.Contains(err.Error(), say) {
			t.Errorf("%d events, %v", len(events), err)
		}
	}
}

func TestEveryStatementIsMarkedAndBounded(t *testing.T) {
	s, store := open(t, nil)
	chain(t, store, "run1", "block")
	since(t, store, time.Time{})
	for i, name := range []string{"ledger-append", "ledger-read"} {
		q := s.Queries()[i]
		if d := cmp.Diff(map[string]string{"app": "edgewarden", "component": "ledger", "query": name}, q.Labels); d != "" {
			t.Error(d)
		}
		if q.Location != "europe-west4" || q.MaxBytes == 0 || q.TimeoutMS != 20_000 {
			t.Errorf("location %q, limit %d, time limit %d ms", q.Location, q.MaxBytes, q.TimeoutMS)
		}
	}
	if n := s.Calls(bqtest.TablesGet); n != 1 {
		t.Errorf("the table was looked at %d times", n)
	}
}

func TestAnAppendWhoseAnswerIsLostIsWrittenOnce(t *testing.T) {
	s, store := open(t, nil)
	s.Fail(bqtest.JobsInsert, bqtest.Failure{Status: 503, Reason: "backendError", Accept: true})
	chain(t, store, "run1", "block")
	if n := len(s.Kept.Rows()); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestAnAppendThatIsAskedForTwiceIsWrittenOnce(t *testing.T) {
	s, store := open(t, nil)
	var events []ledger.Event
	chain(t, &both{Store: store, events: &events}, "run1", "block")
	if err := store.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Kept.Rows()); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestAJobThatFailsForAPassingReasonIsStartedAgain(t *testing.T) {
	s, store := open(t, nil)
	s.Fail(bqtest.JobRun, bqtest.BackendError())
	chain(t, store, "run1", "block")
	if n := len(s.Kept.Rows()); n != 1 || s.Jobs() != 2 {
		t.Errorf("%d rows, %d jobs", n, s.Jobs())
	}
}

func TestWhenTheEndIsNotLearntTheChainStaysWhole(t *testing.T) {
	t.Parallel()
	const outage = 2 * time.Second // long enough for the insert to be sent on a busy machine
	for _, arrives := range []bool{false, true} {
		s, store := open(t, nil)
		c := ledger.NewChain(store, "run1", "ci", "here")
		if err := c.Add(t.Context(), ledger.Event{Event: "first"}); err != nil {
			t.Fatal(err)
		}
		s.Fail(bqtest.JobsInsert, bqtest.Failure{Status: 503, Reason: "backendError", Accept: arrives})
		s.Fail(bqtest.JobsInsert, slices.Repeat([]bqtest.Failure{bqtest.BackendError()}, 50)...)
		for _, event := range []string{"block", "lost"} { // the outage goes on for two appends
			ctx, stop := context.WithTimeout(t.Context(), outage)
			err := c.Add(ctx, ledger.Event{Event: event})
			stop()
			if !errors.Is(err, ledger.ErrUnknown) {
				t.Fatalf("arrives %v, %s: %v", arrives, event, err)
			}
		}
		s.Heal(bqtest.JobsInsert)
		if err := c.Add(t.Context(), ledger.Event{Event: "release"}); err != nil {
			t.Fatalf("arrives %v: %v", arrives, err)
		}
		events := since(t, store, time.Time{})
		if problems := ledger.Verify(events); len(problems) > 0 || len(events) != 3 || events[1].Event != "block" || events[2].Hash != c.Head() {
			t.Errorf("arrives %v: %v, %+v", arrives, problems, events)
		}
	}
}

func TestAnAppendThatWasCancelledIsWrittenLater(t *testing.T) {
	s, store := open(t, nil)
	cancelled := s.Hang()
	c := ledger.NewChain(store, "run1", "ci", "here")
	ctx, stop := context.WithCancel(t.Context())
	started := s.Started()
	go func() { <-started; stop() }()
	if err := c.Add(ctx, ledger.Event{Event: "block"}); !errors.Is(err, ledger.ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-cancelled
	s.Resume()
	if err := c.Add(t.Context(), ledger.Event{Event: "release"}); err != nil {
		t.Fatal(err)
	}
	events := since(t, store, time.Time{})
	if problems := ledger.Verify(events); len(problems) > 0 || len(events) != 2 || events[0].Event != "block" {
		t.Errorf("%v, %+v", problems, events)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bqtest.Server)
		says   []string
	}{
		{"no table", func(s *bqtest.Server) { s.Kept.Schema = nil },
			[]string{"ledger " + table, "the table does not exist", "CREATE TABLE `" + table + "` (`version` INT64 NOT NULL, ", "PARTITION BY DATE(`time`) CLUSTER BY run"}},
		{"a missing column", func(s *bqtest.Server) { s.Kept.Schema = s.Kept.Schema[:13] },
			[]string{"the table has no column stored", "ALTER TABLE `" + table + "` ADD COLUMN `stored` TIMESTAMP"}},
		{"a column of another type", func(s *bqtest.Server) { s.Kept.Schema[2].Type = "STRING" }, []string{"column seq is a STRING, not a INTEGER"}},
		{"may not see the table", func(s *bqtest.Server) {
			s.Fail(bqtest.TablesGet, bqtest.Failure{Status: 403, Reason: "accessDenied", Message: "Access Denied: Table x: Permission bigquery.tables.get denied"})
		}, []string{"may not read and append to the table; grant roles/bigquery.dataEditor on this one table (or a role of bigquery.tables.get, getData and updateData)"}},
		{"may not write", func(s *bqtest.Server) {
			s.Fail(bqtest.JobRun, bqtest.Failure{Status: 403, Reason: "accessDenied", Message: "Access Denied: Table x: Permission bigquery.tables.updateData denied on table x"})
		}, []string{"may not read and append to the table"}},
		{"may not run jobs", func(s *bqtest.Server) { s.Fail(bqtest.JobsInsert, bqtest.AccessDeniedJobs("audit-project")) },
			[]string{"in project audit-project", "grant roles/bigquery.jobUser on project audit-project"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, store := open(t, func(s *bqtest.Server, _ *bigquery.Options) { c.change(s) })
			err := ledger.NewChain(store, "run1", "ci", "here").Add(t.Context(), ledger.Event{Event: "block"})
			for _, say := range c.says {
				if err == nil || !strings.Contains(err.Error(), say) {
					t.Errorf("does not say %q: %v", say, err)
				}
			}
			if errors.Is(err, ledger.ErrUnknown) || len(s.Kept.Rows()) != 0 {
				t.Errorf("%d rows; a refusal is no doubt: %v", len(s.Kept.Rows()), err)
			}
		})
	}
}

func TestVeryManyEventsGoInSeveralStatements(t *testing.T) {
	s, store := open(t, nil)
	events := make([]ledger.Event, 4001)
	for i := range events {
		events[i] = ledger.Event{Event: "refuse", Detail: map[string]string{"reason": strings.Repeat("x", 600)}}
	}
	if err := ledger.NewChain(store, "run1", "ci", "here").Add(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	got := since(t, store, time.Time{})
	if problems := ledger.Verify(got); len(got) != 4001 || len(problems) > 0 {
		t.Errorf("%d events, %v", len(got), problems)
	}
	if s.Jobs() < 3 {
		t.Errorf("%d jobs", s.Jobs())
	}
}

func TestAFaultInTheMiddleOfVeryManyIsCaughtUp(t *testing.T) {
	s, store := open(t, nil)
	s.Slow(1)
	events := make([]ledger.Event, 2001)
	c := ledger.NewChain(store, "run1", "ci", "here")
	if err := c.Add(t.Context(), ledger.Event{Event: "first"}); err != nil {
		t.Fatal(err)
	}
	denied := bqtest.AccessDeniedTable("x")
	// The first statement of the next append passes, the second is refused.
	s.Fail(bqtest.JobRun, bqtest.Failure{Pass: true}, denied)
	if err := c.Add(t.Context(), events...); !errors.Is(err, ledger.ErrUnknown) {
		t.Fatal(err)
	}
	if err := c.Add(t.Context(), ledger.Event{Event: "last"}); err != nil {
		t.Fatal(err)
	}
	got := since(t, store, time.Time{})
	if problems := ledger.Verify(got); len(got) != 2003 || len(problems) > 0 {
		t.Errorf("%d events, %v", len(got), problems)
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		opt  bigquery.Options
		says string
	}{
		{bigquery.Options{Table: "ledger.jsonl"}, "write PROJECT.DATASET.TABLE"},
		{bigquery.Options{Table: table, Endpoint: "bq"}, "not a URL"},
	} {
		if _, err := bigquery.Open(t.Context(), c.opt); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.opt, err)
		}
	}
}
