package lake_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"edgewarden/internal/lake"
)

// TestALakeOfANewerReleaseIsRefused: neither a writer, an import nor a reader touches a lake whose layout it does not know.
func TestALakeOfANewerReleaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	write(t, w, rows(0, 10, steady), 0, 10)
	w.Close()
	version := filepath.Join(dir, ".version")
	if b, err := os.ReadFile(version); err != nil || string(b) != "1\n" {
		t.Fatalf("a new lake says version %q (%v)", b, err)
	}
	if err := os.WriteFile(version, []byte("2\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	_, werr := lake.OpenWriter(lake.Options{Dir: dir})
	_, ierr := lake.NewImporter(dir, strings.Repeat("ab", 32))
	_, serr := lake.Select(dir, noon, noon.Add(time.Hour))
	for _, err := range []error{werr, ierr, serr} {
		if !errors.Is(err, lake.ErrNewer) || !strings.Contains(err.Error(), "use the newer release on it") {
			t.Errorf("not refused as newer: %v", err)
		}
	}
	if after := tree(t, dir); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the lake was changed:\n%s\nwas\n%s", after, before)
	}
	if err := os.Remove(version); err != nil { // as a lake from before the file existed
		t.Fatal(err)
	}
	wantOnce(t, dir, 10)
}

// TestAMergeLeavesColumnsItDoesNotKnow: after a rollback, files with a column of the newer release stay as they are.
func TestAMergeLeavesColumnsItDoesNotKnow(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	rs := rows(0, 20, steady)
	write(t, w, rs, 0, 10)
	write(t, w, rs, 10, 20)
	files := mustSelect(t, dir)
	if len(files) != 2 {
		t.Fatalf("%d files, want 2", len(files))
	}
	type newer struct {
		Timestamp int64  `parquet:"timestamp,optional,timestamp(microsecond)"`
		Position  string `parquet:"position,optional,delta"`
		Tomorrow  string `parquet:"tomorrow,optional"`
	}
	var out []newer
	for _, r := range rs[:10] {
		out = append(out, newer{r.Timestamp.UnixMicro(), r.Position, "kept"})
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], b.Bytes(), 0o640); err != nil {
		t.Fatal(err)
	}
	maintain(t, w, noon.Add(3*time.Hour))
	maintain(t, w, noon.Add(4*time.Hour))
	if got, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("the file with the unknown column was changed or removed: %v", err)
	}
	wantOnce(t, dir, 20)
}

// tree lists the paths under dir.
func tree(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
