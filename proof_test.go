package edgewarden_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryTestThePagesNameExists: a page that says "proven by" must name a test that is in the tree.
func TestEveryTestThePagesNameExists(t *testing.T) {
	have := testsOfTheTree(t)
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)`")
	found := 0
	for _, page := range append(pages, "README.md", "SECURITY.md", "ARCHITECTURE.md") {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(content), -1) {
			found++
			if !have[m[1]] {
				t.Errorf("%s names %s, and there is no such test", page, m[1])
			}
		}
	}
	if found < 10 || have["TestNobodyWroteThis"] {
		t.Fatalf("%d names found in the pages, %d tests in the tree: the test looks at the wrong places", found, len(have))
	}
}

// testsOfTheTree parses every _test.go file, those of the modules beside the product included.
func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				have[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// TestEveryDirectDependencyHasItsReason compares docs/dependencies.md with go.mod, both ways.
func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct, listed := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+(.*)$`).FindAllStringSubmatch(string(mod), -1) {
		if !strings.Contains(m[2], "// indirect") {
			direct[m[1]] = true
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)\\|$").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
		for i, cell := range strings.Split(m[2], "|") {
			if strings.TrimSpace(cell) == "" || i > 2 {
				t.Errorf("the row of %s: want a reason, what breaks without it and a licence", m[1])
			}
		}
		if !direct[m[1]] {
			t.Errorf("docs/dependencies.md lists %s, which go.mod does not require directly", m[1])
		}
	}
	for path := range direct {
		if !listed[path] {
			t.Errorf("go.mod requires %s: say in docs/dependencies.md why, what breaks without it, and under which licence it is", path)
		}
	}
	if len(direct) < 10 {
		t.Fatalf("only %d direct dependencies found in go.mod", len(direct))
	}
}
