package duckdb_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/detect/duckdb"
	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

func query() detect.Query {
	return detect.Query{Set: detecttest.Rules(), ServiceID: detecttest.Service, To: detecttest.T, Now: detecttest.T}
}

func TestALakeThatDoesNotExistIsAnErrorThatNamesIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nowhere")
	e := open(t, dir)
	_, err := e.Detect(t.Context(), query())
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Detect: %v", err)
	}
	err = e.Evidence(t.Context(), query(), []detect.Offender{{Key: "203.0.113.9", Rule: "flood"}})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Evidence: %v", err)
	}
}

func TestAWindowWithoutFilesIsAnAnswerWithoutRows(t *testing.T) {
	dir := t.TempDir()
	writeLake(t, dir, []record.Record{detecttest.Request(detecttest.T.Add(-48*time.Hour), "203.0.113.9", "/", 200)})
	e := open(t, dir)
	q := query()
	q.Present = []detect.Present{{Key: "203.0.113.9", Rule: "flood", From: detecttest.T.Add(-time.Minute)}}
	res, err := e.Detect(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if res.Health != (detect.Health{}) || len(res.Offenders) != 0 || len(res.After) != 1 || res.After[0].Requests != 0 || len(res.Population) != len(q.Set.Rules()) {
		t.Errorf("answer is %+v", res)
	}
	off := []detect.Offender{{Key: "203.0.113.9", Rule: "flood"}}
	if err := e.Evidence(t.Context(), q, off); err != nil || off[0].Evidence == nil || len(off[0].Evidence.Paths) != 0 {
		t.Errorf("evidence is %+v, %v", off[0].Evidence, err)
	}
}

// removeOnFirstRetry is a log handler that takes the stale file away when the
// engine says it asks again, as compaction's next listing would.
type removeOnFirstRetry struct {
	slog.Handler
	file string
}

func (h removeOnFirstRetry) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "went away") {
		if err := os.Remove(h.file); err != nil {
			return err
		}
	}
	return h.Handler.Handle(ctx, r)
}

// staleFile puts a name into the lake's last hour that is listed and cannot be
// read, like a file that was deleted after the listing.
func staleFile(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, detecttest.T.Format("2006-01-02T15"), fmt.Sprintf("ffeeddccbbaa9988-%016x-%016x.parquet", 0, 10))
	if err := os.Symlink(filepath.Join(dir, "gone"), file); err != nil {
		t.Fatal(err)
	}
	listed, err := lake.Select(dir, detecttest.T.Add(-time.Minute), detecttest.T)
	if err != nil || !strings.Contains(strings.Join(listed, " "), file) {
		t.Fatalf("the stale file is not listed: %v, %v", listed, err)
	}
	return file
}

func TestAFileThatVanishedAfterTheListingMakesTheQueryAskAgain(t *testing.T) {
	dir := t.TempDir()
	recs := detecttest.Traffic(5, 300)
	writeLake(t, dir, recs)
	file := staleFile(t, dir)
	var log bytes.Buffer
	debug := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
	e, err := duckdb.Open(duckdb.Options{Dir: dir, Logger: slog.New(removeOnFirstRetry{debug, file})})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	detecttest.Check(t, e, detecttest.Case{Records: recs, Query: query()})
	if !strings.Contains(log.String(), file) {
		t.Errorf("the log does not name the file: %s", log.String())
	}
}

func TestAFileThatStaysUnreadableIsAnErrorThatNamesIt(t *testing.T) {
	dir := t.TempDir()
	writeLake(t, dir, detecttest.Traffic(5, 300))
	file := staleFile(t, dir)
	if _, err := open(t, dir).Detect(t.Context(), query()); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("stale file: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("this is no Parquet file, however long it is"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, dir).Detect(t.Context(), query())
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "move it out") {
		t.Errorf("damaged file: %v", err)
	}
}

// rewriteWithout replaces every file of the lake by one without some columns,
// as an older version would have written it.
func rewriteWithout(t *testing.T, dir, columns string, files ...string) {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, f := range files {
		tmp := filepath.Join(dir, "tmp.parquet")
		if _, err := db.Exec(fmt.Sprintf("COPY (SELECT * EXCLUDE (%s) FROM read_parquet('%s')) TO '%s' (FORMAT parquet)", columns, f, tmp)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAColumnThatFilesOfAnOlderVersionLackIsAbsentInTheirRows(t *testing.T) {
	for name, pick := range map[string]func([]string) []string{
		"in some files": func(f []string) []string { return f[:1] },
		"in all files":  func(f []string) []string { return f },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			recs := detecttest.Traffic(6, 300)
			for i := range recs {
				recs[i].JA4, recs[i].UserAgent = "", "" // so that the reference holds for both kinds of file
				recs[i].Present &^= 1 << record.ClaimsOtherIP
			}
			writeLake(t, dir, recs)
			files, err := lake.Select(dir, detecttest.T.Add(-time.Hour), detecttest.T)
			if err != nil || len(files) < 2 {
				t.Fatal(files, err)
			}
			rewriteWithout(t, dir, "ja4, user_agent, claims_other_ip", pick(files)...)
			detecttest.Check(t, open(t, dir), detecttest.Case{Records: recs, Query: query()})
		})
	}
}

func TestALakeInADirectoryWithAQuoteIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "o'lake; --")
	recs := detecttest.Traffic(7, 100)
	writeLake(t, dir, recs)
	detecttest.Check(t, open(t, dir), detecttest.Case{Records: recs, Query: query()})
}

func TestAMergeOfTheLakeChangesNoAnswer(t *testing.T) {
	dir := t.TempDir()
	recs := detecttest.Traffic(8, 600)
	writeLake(t, dir, recs)
	e := open(t, dir)
	w, err := lake.OpenWriter(lake.Options{Dir: dir, Grace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range 3 {
		if err := w.Maintain(t.Context(), detecttest.T.Add(time.Duration(3+i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		detecttest.Check(t, e, detecttest.Case{Records: recs, Query: query()})
	}
}

func TestACancelledOrLateQueryStops(t *testing.T) {
	dir := t.TempDir()
	writeLake(t, dir, detecttest.Traffic(5, 300))
	e := open(t, dir)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Detect(cancelled, query()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := e.Evidence(late, query(), []detect.Offender{{Key: "203.0.113.9", Rule: "flood"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("late: %v", err)
	}
}

func TestAHeartbeatThatCannotBeReadIsLoggedAndLeftOut(t *testing.T) {
	dir := t.TempDir()
	bad := detecttest.Heartbeat(spoolID, 0, detecttest.T.Add(-4*time.Minute), 0, 0, 0)
	bad.Extra = "{"
	writeLake(t, dir, []record.Record{
		detecttest.Heartbeat(spoolID, 0, detecttest.T.Add(-5*time.Minute), 100, 0, 0), bad,
		detecttest.Heartbeat(spoolID, 0, detecttest.T.Add(-3*time.Minute), 200, 50, 0),
	})
	var log bytes.Buffer
	e, err := duckdb.Open(duckdb.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	res, err := e.Detect(t.Context(), query())
	if err != nil || !res.Health.LossKnown || res.Health.Loss != 0.5 || res.Health.Rows != 0 {
		t.Errorf("health is %+v, %v", res.Health, err)
	}
	if !strings.Contains(log.String(), "cannot be read") {
		t.Errorf("log is %q", log.String())
	}
}

func TestBadOptionsAreRefusedAllAtOnce(t *testing.T) {
	_, err := duckdb.Open(duckdb.Options{MemoryLimit: -1})
	for _, want := range []string{"--lake DIR", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
	if _, err := duckdb.Open(duckdb.Options{Dir: "/data/lake*"}); err == nil || !strings.Contains(err.Error(), "rename it") {
		t.Errorf("a pattern as directory: %v", err)
	}
}

func TestAQueryThatNeedsMoreMemoryThanItMaySaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	writeLake(t, dir, detecttest.Traffic(5, 20_000))
	e, err := duckdb.Open(duckdb.Options{Dir: dir, MemoryLimit: 2 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Detect(t.Context(), query()); !errors.Is(err, duckdb.ErrTooMuchMemory) || !strings.HasPrefix(err.Error(), "not enough memory: raise the memory limit of the process") || strings.Contains(err.Error(), "SET ") {
		t.Errorf("Detect: %v", err)
	}
}
