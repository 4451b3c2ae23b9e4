package edgewarden_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
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

// TestRealRequestsThroughBothPrograms sends real requests in Fastly's default log format over TCP through the real ingest
// into the lake, and asks the real blocker for the busy addresses of one hour. What awk counts in the file is what it must say.
func TestRealRequestsThroughBothPrograms(t *testing.T) {
	lines, hour := sampleLines(t)
	want := busy(lines, hour, 30)
	if len(want) == 0 {
		t.Fatalf("nobody has 30 requests in hour %s: the sample shows nothing", hour)
	}
	bin, dir := buildPrograms(t), t.TempDir()
	lakeDir := filepath.Join(dir, "lake")

	serve := startServe(t, bin, "--spool", filepath.Join(dir, "spool"), "--lake", lakeDir)
	conn, err := net.Dial("tcp", serve.addr)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(conn)
	for _, line := range lines {
		fmt.Fprintf(out, "<134>2015-05-20T21:05:59Z cache-ams21001 weblog[246810]: %s\n", line)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	hangUp(t, conn)
	serve.stop(t)

	if got := storedRequests(t, lakeDir); got != len(lines) {
		t.Fatalf("%d of %d lines are stored as requests", got, len(lines))
	}

	rules := filepath.Join(dir, "rules.yaml")
	text := "rules:\n  - name: busy\n    when: requests >= 30\n    window: 1h\n    mode: enforce\n"
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	end, err := time.Parse("02/Jan/2006:15", hour)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "blocker"), "--lake", lakeDir, "--rules", rules, "--now", end.Add(time.Hour).Format(time.RFC3339), "--dry-run", "--json")
	cmd.Env = []string{"HOME=" + dir} // no token, nothing of this machine's settings
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	answer, err := cmd.Output()
	if err != nil {
		t.Fatalf("blocker: %v\n%s", err, stderr.String())
	}
	var doc struct {
		Offenders []struct {
			Key      string
			Evidence struct{ Requests int }
		}
		Changes  []any
		Refusals []struct{ Key, Code string }
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	got := map[string]int{}
	for _, o := range doc.Offenders {
		got[o.Key] = o.Evidence.Requests
	}
	if !maps.Equal(got, want) {
		t.Errorf("offenders %v, want %v", got, want)
	}
	if len(doc.Changes) != 0 {
		t.Errorf("changes %v: an address that a client can forge must not be blocked", doc.Changes)
	}
	refused := map[string]int{}
	for _, r := range doc.Refusals {
		if r.Code == "forgeable_address" {
			refused[r.Key] = want[r.Key]
		}
	}
	if !maps.Equal(refused, want) {
		t.Errorf("refused as forgeable: %v, want %v", slices.Sorted(maps.Keys(refused)), slices.Sorted(maps.Keys(want)))
	}
}

// sampleLines reads the real log when EDGEWARDEN_SAMPLE_LOG names it, else the small one of testdata, and the hour to look at.
func sampleLines(t *testing.T) (lines []string, hour string) {
	t.Helper()
	path, hour := os.Getenv("EDGEWARDEN_SAMPLE_LOG"), "17/May/2015:13"
	if path == "" {
		path, hour = "testdata/combined.log", "06/May/2031:07"
		t.Log("EDGEWARDEN_SAMPLE_LOG is not set: using", path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n"), hour
}

// busy counts as `awk '{print $1}' | sort | uniq -c` does, for one hour, and keeps the addresses with at least least lines.
func busy(lines []string, hour string, least int) map[string]int {
	counts := map[string]int{}
	for _, line := range lines {
		if strings.Contains(line, "["+hour+":") {
			counts[strings.Fields(line)[0]]++
		}
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n < least })
	return counts
}

var binDir string // where builtPrograms built; empty until then

// builtPrograms builds the programs once for all tests of this package.
var builtPrograms = sync.OnceValues(func() (string, error) {
	bin, err := os.MkdirTemp("", "edgewarden-bin-")
	if err != nil {
		return "", err
	}
	binDir = bin
	if out, err := exec.Command("go", "build", "-o", bin+"/", "./cmd/...").CombinedOutput(); err != nil {
		return bin, fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if binDir != "" {
		_ = os.RemoveAll(binDir)
	}
	os.Exit(code)
}

// buildPrograms returns the folder of the built programs.
func buildPrograms(t *testing.T) string {
	t.Helper()
	bin, err := builtPrograms()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// served is a running ingest.
type served struct {
	cmd  *exec.Cmd
	addr string
	rest chan string // what it said until it ended
}

var listening = regexp.MustCompile(`msg="?listening"? addr=(\S+)`)

// hangUp ends a connection and waits until ingest has, which it does after the last line. Stopped before, it might not have accepted
// the connection yet.
func hangUp(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// startServe starts ingest on a free loopback port.
func startServe(t *testing.T, bin string, args ...string) *served {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "ingest"), append([]string{"serve", "--listen", "127.0.0.1:0", "--drain", "0s", "--admin", "off"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	s := &served{cmd: cmd, rest: make(chan string, 1)}
	said := bufio.NewScanner(stderr)
	var all strings.Builder
	for said.Scan() {
		all.WriteString(said.Text() + "\n")
		if m := listening.FindStringSubmatch(said.Text()); m != nil {
			s.addr = m[1]
			break
		}
	}
	if s.addr == "" {
		t.Fatalf("ingest does not listen:\n%s", all.String())
	}
	go func() {
		for said.Scan() {
			all.WriteString(said.Text() + "\n")
		}
		s.rest <- all.String()
	}()
	return s
}

// stop ends ingest as Kubernetes would; it must have shipped everything and exit 0.
func (s *served) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	said := <-s.rest
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("ingest: %v\n%s", err, said)
	}
}

// storedRequests counts the rows of kind request in the whole lake.
func storedRequests(t *testing.T, dir string) int {
	t.Helper()
	hours, err := filepath.Glob(filepath.Join(dir, "????-??-??T??"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, hour := range hours {
		at, err := time.Parse("2006-01-02T15", filepath.Base(hour))
		if err != nil {
			t.Fatal(err)
		}
		files, err := lake.Select(dir, at, at.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			rows, err := lake.ReadAll(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				if rows[i].Kind == record.KindRequest {
					n++
				}
			}
		}
	}
	return n
}
