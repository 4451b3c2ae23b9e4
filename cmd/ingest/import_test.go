package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const accessLog = `198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 203 "-" "agent/1.0"
198.51.100.8 - - [17/May/2015:10:05:43 +0000] "GET /b?card=4111111111111111 HTTP/1.1" 200 171 "-" "agent/1.0"
something else
198.51.100.9 - - [17/May/2015:11:05:43 +0000] "GET /c HTTP/1.1" 404 - "-" "agent/1.0"` // no line end

func TestImport(t *testing.T) {
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []interface {
		Write([]byte) (int, error)
		Close() error
	}{g, z} {
		if _, err := w.Write([]byte(accessLog)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"plain": accessLog, "gzip": gz.String(), "zstd": zst.String()} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := writeFile(t, filepath.Join(dir, "access.log"), content)
			// Twice: the second import replaces the first.
			for range 2 {
				code, stdout, stderr := invoke(t, nil, "import", file, "--lake", filepath.Join(dir, "lake"), "--service-id", "SVC9")
				if want := "4 lines, 3 requests, 1 not understood, "; code != 0 || !strings.Contains(stdout, want) {
					t.Fatalf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
				}
			}
			all := rows(t, filepath.Join(dir, "lake"))
			got := map[string]string{}
			for _, r := range all {
				if r.Sender != "import" {
					t.Errorf("sender %q", r.Sender)
				}
				if r.Kind == "request" && r.ServiceID != "SVC9" {
					t.Errorf("service %q, want the stamped one", r.ServiceID)
				}
				got[r.Path+r.Text] = r.ClientIP + " " + r.Query
			}
			if len(all) != 4 || got["/a"] != "198.51.100.7 " || got["/c"] != "198.51.100.9 " {
				t.Errorf("stored %v", got)
			}
			if f := grep(t, filepath.Join(dir, "lake"), "4111111111111111"); f != "" || !strings.HasPrefix(got["/b"], "198.51.100.8 card=411111") {
				t.Errorf("card number in %q, stored %v", f, got)
			}
		})
	}
}

func TestImportMistakes(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "access.log"), accessLog)
	for _, c := range []struct {
		name, file, lake string
		want             []string
	}{
		{"a file that is not there", filepath.Join(dir, "nowhere.log"), filepath.Join(dir, "lake"), []string{"nowhere.log", "no such file"}},
		{"a folder", dir, filepath.Join(dir, "lake"), []string{dir, "directory"}},
		{"a lake that cannot be written", file, filepath.Join(file, "lake"), []string{file, "not a directory"}},
		{"half a gzip file", writeFile(t, filepath.Join(dir, "half.gz"), "\x1f\x8b\x08\x00"), filepath.Join(dir, "lake"), []string{"half.gz", "EOF"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := invoke(t, nil, "import", c.file, "--lake", c.lake)
			if code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			for _, w := range c.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("%q is not said: %s", w, stderr)
				}
			}
		})
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "lake", "*", "*.parquet")); len(files) != 0 {
		t.Errorf("a failed import left %v", files)
	}
}

// sample returns the lines of the real log, or of our own few when it is not there.
func sample(t *testing.T) []string {
	t.Helper()
	path := os.Getenv("EDGEWARDEN_SAMPLE_LOG")
	if path == "" {
		path = filepath.Join("testdata", "combined.log")
		t.Logf("EDGEWARDEN_SAMPLE_LOG is not set: using the few lines of %s", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(b), "\n"), "\n")
}

func countRequests(all []row) (n int, addresses map[string]int) {
	addresses = map[string]int{}
	for _, r := range all {
		if r.Kind == "request" {
			n++
			addresses[r.ClientIP]++
		}
	}
	return n, addresses
}

func prefixed(lines []string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "<134>2015-05-20T21:05:59Z cache-sjc%d apache[4711]: %s\n", i%7, l)
	}
	return b.String()
}
