package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheBillNamesWhatIsLinked builds the program sbom itself and asks for its bill: go.mod says what has to be in it.
func TestTheBillNamesWhatIsLinked(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "sbom")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list, err := exec.Command("go", "list", "-m", "-f", "{{.Path}}@{{.Version}}", "github.com/google/licensecheck", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]string{}
	for _, m := range strings.Fields(string(list)) {
		path, _, _ := strings.Cut(m, "@")
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		folders[m] = strings.TrimSpace(string(dir))
	}
	write := func() []byte {
		var out bytes.Buffer
		if err := bill([]string{bin}, folders, &out); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	content := write()
	var doc struct {
		BOMFormat  string
		Components []struct {
			Name, Version string
			Hashes        []struct{ Content string }
			Licenses      []struct{ License struct{ ID string } }
		}
		Dependencies []struct{ DependsOn []string }
	}
	if err := json.Unmarshal(content, &doc); err != nil || doc.BOMFormat != "CycloneDX" {
		t.Fatalf("format %q, error %v", doc.BOMFormat, err)
	}
	found := map[string]bool{}
	for _, c := range doc.Components {
		if c.Name != "golang" && (len(c.Hashes) != 1 || len(c.Hashes[0].Content) != 64) || len(c.Licenses) == 0 {
			t.Errorf("component without checksum or licence: %+v", c)
		}
		found[c.Name+"@"+c.Version] = true
	}
	for m := range folders {
		if !found[m] {
			t.Errorf("%s is linked and not in the bill", m)
		}
	}
	if len(doc.Dependencies) != 1 || len(doc.Dependencies[0].DependsOn) != 1+len(folders) {
		t.Errorf("dependencies %+v", doc.Dependencies)
	}
	if !bytes.Equal(content, write()) {
		t.Error("the same binary gives another bill")
	}
	if err := os.WriteFile(bin, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	if bill([]string{bin}, folders, &bytes.Buffer{}) == nil {
		t.Error("a file that is no Go program has a bill")
	}
}
