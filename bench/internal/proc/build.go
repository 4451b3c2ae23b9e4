// Package proc runs the programs under test: builds them, starts them, reads what
// they say, what they cost and what their metrics show, and kills them.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root is the repository: the parent of the bench module one is in.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(filepath.Dir(mod)) != "bench" {
		return "", fmt.Errorf("run this in the folder bench of the repository, not in a module at %q", mod)
	}
	return filepath.Dir(filepath.Dir(mod)), nil
}

// Build builds a program: pkg as seen from folder below the repository.
func Build(folder, pkg, out string, flags ...string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	args := append(append([]string{"build"}, flags...), "-o", out, pkg)
	c := exec.Command("go", args...)
	c.Dir = filepath.Join(root, folder)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return nil
}

// BuildIngest returns the program to test: given, or freshly built into dir.
func BuildIngest(given, dir string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(dir, "ingest")
	return out, Build(".", "./cmd/ingest", out)
}

// Scratch makes a folder for a run; done removes it, unless it was named by keep.
func Scratch(keep, name string) (dir string, done func(), err error) {
	if keep != "" {
		return keep, func() {}, os.MkdirAll(keep, 0o700)
	}
	dir, err = os.MkdirTemp("", "edgewarden-"+name+"-")
	return dir, func() { os.RemoveAll(dir) }, err
}
