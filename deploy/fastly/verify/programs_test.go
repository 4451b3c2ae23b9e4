package verify_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edgewarden/internal/lake"
	"edgewarden/internal/record"
)

const token = "loop-token"

// programs is the folder of the programs once they are built; TestMain removes it.
var programs string

// built makes the real programs, once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "edgewarden-verify-")
	if err != nil {
		return "", err
	}
	programs = dir
	out, err := exec.Command("go", "build", "-C", "../../..", "-o", dir+"/", "./cmd/ingest", "./cmd/blocker").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return dir, nil
})

func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// receiver is the real ingest, running, with one connection to it as a Fastly node holds it.
type receiver struct {
	cmd         *exec.Cmd
	addr, admin string
	lake        string
	conn        net.Conn
	sent        int
}

var opened = regexp.MustCompile(`msg="?(admin listening|listening)"? addr=(\S+)`)

func startIngest(t *testing.T) *receiver {
	t.Helper()
	dir := t.TempDir()
	r := &receiver{lake: filepath.Join(dir, "lake")}
	r.cmd = exec.CommandContext(t.Context(), program(t, "ingest"), "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--spool", filepath.Join(dir, "spool"), "--lake", r.lake, "--lake-age", "100ms", "--drain", "0s")
	r.cmd.Env = append(os.Environ(), "EDGEWARDEN_TOKEN="+token)
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var said []string
	for (r.addr == "" || r.admin == "") && lines.Scan() {
		said = append(said, lines.Text())
		if m := opened.FindStringSubmatch(lines.Text()); m != nil && m[1] == "listening" {
			r.addr = m[2]
		} else if m != nil {
			r.admin = m[2]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	if r.conn, err = net.Dial("tcp", r.addr); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(said, "\n"))
	}
	t.Cleanup(func() { _ = r.conn.Close() })
	return r
}

// send sends a message as Fastly's syslog endpoint would.
func (r *receiver) send(t *testing.T, message string) {
	t.Helper()
	if _, err := io.WriteString(r.conn, classic(token, message)); err != nil {
		t.Fatal(err)
	}
	r.sent++
}

// stored waits until all that was sent is in the lake and returns the requests in the order they were sent.
func (r *receiver) stored(t *testing.T) []record.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		n, err := r.shipped(ctx)
		if n >= r.sent {
			tick.Stop()
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d of %d lines shipped (%v)", n, r.sent, err)
		}
	}
	now := time.Now()
	files, err := lake.Select(r.lake, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var rows []record.Record
	for _, f := range files {
		all, err := lake.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, all...)
	}
	rows = slices.DeleteFunc(rows, func(r record.Record) bool { return r.Kind == record.KindHeartbeat })
	slices.SortFunc(rows, func(a, b record.Record) int { return cmp.Compare(a.Position, b.Position) })
	return rows
}

func (r *receiver) shipped(ctx context.Context) (n int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "edgewarden_ingest_shipped_records_total"); ok {
			var x float64
			if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &x); err != nil {
				return 0, err
			}
			n += int(x)
		}
	}
	return n, nil
}

// stop ends ingest as Kubernetes would.
func (r *receiver) stop(t *testing.T) {
	t.Helper()
	_ = r.conn.Close()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("ingest ended with %v", err)
	}
}
