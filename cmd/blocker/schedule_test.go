package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

// A scheduled blocker runs at once, serves its port, and stops when it is told to.
func TestAScheduleRunsAtOnceAndStops(t *testing.T) {
	w := newWorld(t)
	w.T = time.Now().UTC()
	w.everyday()
	w.requests(attacker, 300, nil)
	w.store()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said, stderr := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--schedule", "0 0 1 1 *", "--period", "2m", "--admin", "127.0.0.1:0", "--lake", w.lake(), "--rules", filepath.Join(w.dir, "rules.yaml"),
			"--service-id", "SVC1", "--acl", "edgewarden_1", "--fastly-endpoint", w.url, "--settle", "1s"},
			func(string) string { return w.token }, io.Discard, stderr)
		stderr.Close()
	}()
	var port string
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if m := regexp.MustCompile(`operator's port" addr=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			port = m[1]
		}
		if strings.Contains(lines.Text(), `msg="run done"`) {
			break
		}
	}
	go io.Copy(io.Discard, said) //nolint:errcheck // what it says at its end is of no interest
	if len(w.prefixes("edgewarden_1")) != 1 {
		t.Errorf("the first run did not block: %v", w.prefixes("edgewarden_1"))
	}
	for _, path := range []string{"/readyz", "/metrics", "/", "/page"} {
		resp, err := http.Get("http://" + port + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %d %v %s", path, resp.StatusCode, err, body)
		}
		if strings.HasSuffix("/page", path) && !strings.Contains(string(body), "1 blocked, 0 released") {
			t.Errorf("%s does not show the run: %.200s", path, body)
		}
		if path == "/metrics" && !strings.Contains(string(body), `edgewarden_blocker_runs_total{exit_code="0"} 1`) {
			t.Errorf("metrics: %s", body)
		}
	}
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestThePeriodOfAScheduleIsItsLongestGap(t *testing.T) {
	for spec, want := range map[string]time.Duration{"*/5 * * * *": 5 * time.Minute, "0,10 * * * *": 50 * time.Minute, "@hourly": time.Hour, "@every 90s": 90 * time.Second} {
		plan, err := parseSchedule(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := longestGap(plan, time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
	for _, spec := range []string{"@every 1s", "0 0 31 2 *", "CRON_TZ=UTC", "* * * *", "@reboot", ""} {
		if _, err := parseSchedule(spec); err == nil {
			t.Errorf("%q is accepted", spec)
		}
	}
}

// One panic must not block the job for good, and two runs must never be on their way at once.
func TestThePanicOfARunDoesNotEndTheSchedule(t *testing.T) {
	p := &program{log: newLogger(io.Discard, "text")}
	runs := 0
	job := chainOf(p).Then(cron.FuncJob(func() {
		runs++
		panic("a bug")
	}))
	job.Run()
	job.Run()
	if runs != 2 {
		t.Errorf("%d runs, want 2", runs)
	}
}
