package edgewarden_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "edgewarden"

// doors is the house plan: which rooms of ours a room may import. A room that
// is not in the table does not exist. Rooms marked stdlib may import the
// standard library besides their doors and nothing else. Test files may open
// any door: they drive a room the way the programs do.
var doors = map[string]struct {
	may    []string
	stdlib bool
}{
	"internal/record":          {stdlib: true},
	"internal/parse":           {may: rooms("record"), stdlib: true},
	"internal/redact":          {stdlib: true},
	"internal/receive":         {may: rooms("parse")},
	"internal/spool":           {},
	"internal/lake":            {may: rooms("record")},
	"internal/ship":            {may: rooms("parse", "record", "spool", "lake")},
	"internal/ship/shiptest":   {},
	"internal/detect":          {may: rooms("record")},
	"internal/detect/duckdb":   {may: rooms("detect", "record", "lake")},
	"internal/detect/bigquery": {may: rooms("detect", "record", "gcp/query")},
	"internal/policy":          {may: rooms("detect", "lists"), stdlib: true},
	"internal/lists":           {},
	"internal/acl":             {may: rooms("policy", "lists", "detect", "plain", "terminal")},
	"internal/acl/acltest":     {stdlib: true},
	"internal/ledger":          {},
	"internal/ledger/bigquery": {may: rooms("ledger", "gcp/query")},
	"internal/backtest":        {may: rooms("detect", "policy", "lists")},
	"internal/logformat":       {may: rooms("record")},
	"internal/config":          {may: rooms("detect", "policy", "lists", "acl")},
	"internal/plain":           {stdlib: true},
	"internal/terminal":        {},
	"internal/cli":             {},
	"internal/report":          {may: rooms("acl", "policy", "detect", "ledger", "plain")},
	"internal/notify":          {may: rooms("acl", "policy", "ledger", "plain")},
	"internal/admin":           {},
	"internal/gcp":             {},
	"internal/gcp/query":       {},
	"internal/gcp/metrics":     {},
}

// openTo limits who may import a room, whatever the importer's own row says:
// only the program that runs the engines knows them, and ingest stays without
// a BigQuery client.
var openTo = map[string][]string{
	"internal/detect/bigquery": {"cmd/blocker"},
	"internal/detect/duckdb":   {"cmd/blocker"},
	"internal/ledger/bigquery": {"cmd/blocker"},
	"internal/gcp/metrics":     {"cmd/blocker"},
	"internal/gcp/query":       {"internal/detect/bigquery", "internal/ledger/bigquery"},
}

func rooms(names ...string) []string {
	for i, n := range names {
		names[i] = "internal/" + n
	}
	return names
}

// TestDoors reads every import of the tree and fails on one the plan does not have.
func TestDoors(t *testing.T) {
	faults, files, err := illegalImports(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("read only %d files: the test looks at the wrong folder", files)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// TestDoorsAreDrawn holds the table of ARCHITECTURE.md against the plan, and the plan against the imports: a room without a row,
// a row that says something else, and a door that nobody goes through.
func TestDoorsAreDrawn(t *testing.T) {
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	if _, err := eachFile(os.DirFS("."), func(_, room string, imports []string) {
		for _, i := range imports {
			used[room+" "+strings.TrimPrefix(i, module+"/")] = true
		}
	}); err != nil {
		t.Fatal(err)
	}
	drawn := drawnDoors(string(page))
	for room, plan := range doors {
		if testRoom(room) {
			continue // one row for all of them
		}
		var want []string
		for _, r := range plan.may {
			want = append(want, strings.TrimPrefix(r, "internal/"))
			if !used[room+" "+r] {
				t.Errorf("%s may import %s and does not: close the door", room, r)
			}
		}
		if plan.stdlib {
			want = append(want, "standard library")
		}
		slices.Sort(want)
		if row, ok := drawn[room]; !ok {
			t.Errorf("ARCHITECTURE.md has no row for %s", room)
		} else if !slices.Equal(row, want) {
			t.Errorf("%s: ARCHITECTURE.md says it may import %q, the plan %q", room, row, want)
		}
	}
}

// drawnDoors are the rows of the table by room, with what they may import, sorted. What stands in parentheses is for people.
func drawnDoors(page string) map[string][]string {
	remark := regexp.MustCompile(` \(.*?\)`)
	drawn := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`internal/.*?) \\|.*\\| (.*?) \\|$").FindAllStringSubmatch(page, -1) {
		var may []string
		if row[2] != "–" {
			may = strings.Split(remark.ReplaceAllString(row[2], ""), ", ")
		}
		slices.Sort(may)
		for room := range strings.SplitSeq(row[1], ", ") {
			drawn[strings.Trim(room, "`")] = may
		}
	}
	return drawn
}

// TestDoorsLeadToEveryModule fails when ARCHITECTURE.md does not name a module beside the product.
func TestDoorsLeadToEveryModule(t *testing.T) {
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "go.mod" || name == "go.mod" {
			return err
		}
		found++
		if dir := filepath.ToSlash(filepath.Dir(name)); !strings.Contains(string(page), "`"+dir+"`") {
			t.Errorf("ARCHITECTURE.md does not say what the module %s is for", dir)
		}
		return nil
	})
	if err != nil || found < 5 {
		t.Fatalf("%d modules found: %v", found, err)
	}
}

// TestDoorsSeesAnIllegalImport proves that the check can fail, once for each kind of fault.
func TestDoorsSeesAnIllegalImport(t *testing.T) {
	cases := map[string]string{
		"internal/parse/a.go":   `package parse; import _ "edgewarden/internal/spool"`,
		"internal/record/a.go":  `package record; import _ "github.com/google/go-cmp/cmp"`,
		"internal/acl/a.go":     `package acl; import _ "edgewarden/internal/detect/duckdb"`,
		"internal/ship/a.go":    `package ship; import _ "edgewarden/cmd/ingest"`,
		"internal/newroom/a.go": `package newroom`,
		"cmd/ingest/a.go":       `package main; import _ "edgewarden/internal/detect/duckdb"`,
		"internal/lists/a.go":   `package lists; import _ "edgewarden/internal/acl"`,
	}
	for name, src := range cases {
		faults, _, err := illegalImports(fstest.MapFS{name: {Data: []byte(src)}})
		if err != nil {
			t.Fatal(err)
		}
		if len(faults) != 1 {
			t.Errorf("%s: %d faults, want 1: %v", name, len(faults), faults)
		}
	}
	ok := fstest.MapFS{"internal/parse/a.go": {Data: []byte(`package parse; import (_ "edgewarden/internal/record"; _ "bytes")`)}}
	if faults, _, err := illegalImports(ok); err != nil || len(faults) != 0 {
		t.Errorf("a legal import is refused: %v %v", faults, err)
	}
}

// illegalImports returns one sentence per import that no door allows, and how many files it read.
func illegalImports(tree fs.FS) (faults []string, files int, err error) {
	files, err = eachFile(tree, func(name, room string, imports []string) {
		if _, known := doors[room]; !known && strings.HasPrefix(room, "internal/") && !testRoom(room) {
			faults = append(faults, fmt.Sprintf("%s: the house plan has no room %s: add it to doors with what it may import", name, room))
		}
		for _, imported := range imports {
			if fault := judge(room, imported); fault != "" {
				faults = append(faults, name+": "+fault)
			}
		}
	})
	return faults, files, err
}

// eachFile shows every file of a room or a program, tests aside, and returns how many there are.
func eachFile(tree fs.FS, visit func(name, room string, imports []string)) (files int, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || ownModule(tree, name)):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		room := path.Dir(name)
		if !strings.HasPrefix(room, "internal/") && !strings.HasPrefix(room, "cmd/") {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, imported)
		}
		files++
		visit(name, room, imports)
		return nil
	})
	return files, err
}

// testRoom reports whether a room holds only what tests and the rehearsal use: a stand-in for somebody else's service, or a
// conformance test. It may import what the room it stands in has.
func testRoom(room string) bool { return strings.HasSuffix(room, "test") }

// ownModule reports whether a folder has its own go.mod: other rules hold there.
func ownModule(tree fs.FS, dir string) bool {
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err == nil
}

// cpuFeatures is the standard library's own internal/cpu, as the Go team hands it out.
const cpuFeatures = "golang.org/x/sys/cpu"

// judge says why room may not import the given path; empty when it may.
func judge(room, imported string) string {
	plan, known := doors[room]
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	if !isOurs {
		if known && plan.stdlib && strings.Contains(strings.Split(imported, "/")[0], ".") && imported != cpuFeatures {
			return fmt.Sprintf("%s keeps to the standard library, but imports %s", room, imported)
		}
		return ""
	}
	if who, limited := openTo[ours]; limited && !slices.Contains(who, room) && !testRoom(room) {
		return fmt.Sprintf("only %s may import %s, but %s does", strings.Join(who, ", "), ours, room)
	}
	if strings.HasPrefix(ours, "cmd/") {
		return fmt.Sprintf("%s imports the program %s", room, ours)
	}
	if strings.HasPrefix(room, "cmd/") || testRoom(room) || slices.Contains(plan.may, ours) {
		return ""
	}
	if known {
		return fmt.Sprintf("%s has no door to %s; it may import %v", room, ours, plan.may)
	}
	return ""
}
