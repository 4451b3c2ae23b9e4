package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/parquet-go/parquet-go"
	"google.golang.org/grpc/codes"

	"edgewarden/internal/lake"
)

// These tests are in package main: a program exports nothing. They drive it
// through run, as main does.

// patience is how long a test waits for something that must happen. Under the
// race detector, which makes zstd's encoders anew that are kept otherwise, the
// real lines take half a minute on two idle cores.
const patience = 3 * time.Minute

// output is a writer that can be waited on.
type output struct {
	mu      sync.Mutex
	changed chan struct{}
	b       bytes.Buffer
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) String() string { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

// wait returns the first group of re once the output matches it n times.
func (o *output) wait(t testing.TB, re string, n int) string {
	t.Helper()
	r := regexp.MustCompile(re)
	end := time.After(patience)
	for {
		o.mu.Lock()
		all, changed := r.FindAllStringSubmatch(o.b.String(), -1), o.changed
		o.mu.Unlock()
		if len(all) >= n {
			return all[n-1][len(all[n-1])-1]
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("no %d. match of %s in:\n%s", n, re, o)
		}
	}
}

// invoke runs a command to its end.
func invoke(t testing.TB, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	code = run(ctx, args, func(k string) string { return env[k] }, &out, &errs)
	return code, out.String(), errs.String()
}

// server is a running `ingest serve`.
type server struct {
	addr, admin string
	stderr      *output
	spool, lake string
	began       time.Time
	cancel      context.CancelFunc
	code        chan int
}

// serve starts the program with a spool and a lake in dir; args come on top.
func serve(t testing.TB, dir string, env map[string]string, args ...string) *server {
	t.Helper()
	s := &server{stderr: newOutput(), spool: filepath.Join(dir, "spool"), lake: filepath.Join(dir, "lake"), code: make(chan int, 1), began: time.Now()}
	all := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--spool", s.spool, "--drain", "0s", "--lake-age", "50ms", "--spool-sync", "5ms"}, args...)
	if !strings.Contains(strings.Join(args, " "), "--project") {
		all = append(all, "--lake", s.lake)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		s.code <- run(ctx, all, func(k string) string { return env[k] }, io.Discard, s.stderr)
	}()
	s.addr = s.stderr.wait(t, `msg="listening" addr=(\S+)`, 1)
	s.admin = s.stderr.wait(t, `msg="admin listening" addr=(\S+)`, 1)
	t.Cleanup(func() { cancel() })
	return s
}

// stop ends the program and returns what it left to say.
func (s *server) stop(t testing.TB) {
	t.Helper()
	s.cancel()
	select {
	case code := <-s.code:
		if code != exitOK {
			t.Errorf("exit code %d:\n%s", code, s.stderr)
		}
	case <-time.After(patience):
		t.Fatalf("it does not stop:\n%s", s.stderr)
	}
}

func (s *server) get(t testing.TB, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + s.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metric sums the samples whose line begins with prefix.
func (s *server) metric(t testing.TB, prefix string) (sum int64) {
	t.Helper()
	_, body := s.get(t, "/metrics")
	for _, l := range strings.Split(body, "\n") {
		if rest, ok := strings.CutPrefix(l, prefix); ok && !strings.HasPrefix(l, "#") {
			var v float64
			if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v); err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			sum += int64(v)
		}
	}
	return sum
}

// until waits for a metric to reach at least n.
func (s *server) until(t testing.TB, prefix string, n int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s to reach %d; log:\n%s", prefix, n, s.stderr), func() bool { return s.metric(t, prefix) >= n })
}

// eventually polls a condition of another process or a file.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waiting for %s", what)
		}
	}
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func send(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

// row is what the tests look at in a lake.
type row struct {
	Kind      string `parquet:"kind"`
	ClientIP  string `parquet:"client_ip,optional"`
	Path      string `parquet:"path,optional"`
	Query     string `parquet:"query,optional"`
	Text      string `parquet:"text,optional"`
	Problem   string `parquet:"problem,optional"`
	Sender    string `parquet:"sender"`
	ServiceID string `parquet:"service_id,optional"`
	Position  string `parquet:"position"`
	Extra     string `parquet:"extra,optional"`
	RequestID string `parquet:"request_id,optional"`
	UserAgent string `parquet:"user_agent,optional"`
}

// rows reads every row of a lake.
func rows(t testing.TB, lakeDir string) (all []row) {
	t.Helper()
	files, err := lake.Select(lakeDir, time.Unix(0, 0), time.Now().Add(100*365*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		r, err := parquet.ReadFile[row](f)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, r...)
	}
	return all
}

// lines are the rows that came from lines: without heartbeats.
func lines(all []row) (l []row) {
	for _, r := range all {
		if r.Kind != "heartbeat" {
			l = append(l, r)
		}
	}
	return l
}

// classic is a line as Fastly's classic format has it, with our JSON in it.
func classic(token, id string) string {
	return token + `<134>2031-05-06T07:08:09Z cache-ams1 edge[12]: ` + canonical(id) + "\n"
}

func canonical(id string) string {
	return `{"timestamp":"` + time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") + `","service_id":"SVC1","request_id":"` + id +
		`","pop":"AMS","client_ip":"203.0.113.9","host":"shop.example","method":"GET","path":"/p","query":"","status":200,"first_hop":true}`
}

func writeFile(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type (
	entry = loggingpb.LogEntry
	code  = codes.Code
)

const invalidArgument = codes.InvalidArgument

// grep returns the first file below dir that contains s.
func grep(t testing.TB, dir, s string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || found != "" {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(s)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// signal sends this process a SIGTERM, which the running program handles.
func (s *server) signal(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}
