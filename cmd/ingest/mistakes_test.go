package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// Calls that work in a way nobody can mean are refused, or at least said.
func TestMistakesThatLookLikeSuccess(t *testing.T) {
	dir := t.TempDir()
	prose := writeFile(t, filepath.Join(dir, "README.md"), "# a page\n\nno log line in it\n")
	lost := writeFile(t, filepath.Join(dir, "lost.yaml"), "allowlist: [{pre.113, p 203.\x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e0fix:.9, ")
	cases := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a spool that takes no line", []string{"serve", "--spool", filepath.Join(dir, "s"), "--lake", filepath.Join(dir, "l"), "--listen", "127.0.0.1:0", "--admin", "off", "--spool-max-bytes", "10"}, 64, "--spool-max-bytes"},
		{"an endpoint name that breaks the VCL", []string{"logformat", "--vcl", `x"} bad; {"`}, 64, "--vcl"},
		{"verifying what is no spool", []string{"spool", "verify", "--spool", dir}, 1, "holds no spool"},
		{"importing prose", []string{"import", prose, "--lake", filepath.Join(dir, "lake")}, 0, "no line is understood"},
		{"a file in which the YAML parser loses its place", []string{"serve", "--config", lost, "--spool", filepath.Join(dir, "s"), "--listen", "127.0.0.1:0", "--admin", "off"}, 64, "not YAML"},
		{"listening openly", []string{"serve", "--spool", filepath.Join(dir, "s"), "--listen", "0.0.0.0:0", "--admin", "off"}, 64, "--allow-unauthenticated"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, nil, c.args...)
			if code != c.code || !strings.Contains(stderr, c.says) {
				t.Errorf("exit %d, want %d; stderr does not say %q: %s%s", code, c.code, c.says, stdout, stderr)
			}
		})
	}
}
