// Package systemd_test checks the units beside it.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// analyze runs systemd-analyze over copies of the units whose programs exist.
func analyze(t *testing.T, change func(string) string, args ...string) (said string, err error) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on this machine")
	}
	dir := t.TempDir()
	units, err := filepath.Glob("edgewarden-*")
	if err != nil {
		t.Fatal(err)
	}
	var copies []string
	for _, u := range units {
		if !strings.HasSuffix(u, ".service") && !strings.HasSuffix(u, ".timer") {
			continue
		}
		text := change(regexp.MustCompile(`/usr/bin/edgewarden-\w+`).ReplaceAllString(read(t, u), "/bin/true"))
		to := filepath.Join(dir, u)
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		copies = append(copies, to)
	}
	if len(copies) != 3 {
		t.Fatalf("%d units", len(copies))
	}
	out, err := exec.CommandContext(t.Context(), tool, append(args, copies...)...).CombinedOutput()
	return string(out), err
}

func same(s string) string { return s }

func TestSystemdTakesTheUnits(t *testing.T) {
	said, err := analyze(t, same, "verify", "--man=no", "--recursive-errors=no")
	if err != nil || strings.Contains(said, "edgewarden-") {
		t.Errorf("%v\n%s", err, said)
	}
	said, _ = analyze(t, func(s string) string { return strings.Replace(s, "ProtectHome=", "ProtectHomes=", 1) }, "verify", "--man=no", "--recursive-errors=no")
	if !strings.Contains(said, "ProtectHomes") {
		t.Errorf("a misspelt key passes: %s", said)
	}
}

// A flag or variable that a program does not have ends the unit at once.
func TestTheUnitsFlagsExist(t *testing.T) {
	page := read(t, "../../docs/flags.md")
	for unit, command := range map[string]string{"edgewarden-ingest.service": "ingest serve", "edgewarden-blocker.service": "blocker run"} {
		_, section, ok := strings.Cut(page, "\n## "+command+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		exec := regexp.MustCompile(`(?m)^ExecStart=.*$`).FindString(read(t, unit))
		if !ok || exec == "" {
			t.Fatalf("%s: no section or no ExecStart", unit)
		}
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(exec, -1) {
			if !strings.Contains(section, flag+"=") {
				t.Errorf("%s: %s has no flag %s", unit, command, flag)
			}
		}
		if unit == "edgewarden-ingest.service" {
			checkVariables(t, section)
		}
	}
}

func checkVariables(t *testing.T, section string) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^#?EDGEWARDEN_(\w+)=`).FindAllStringSubmatch(read(t, "ingest.env"), -1)
	if len(found) < 5 {
		t.Errorf("%d variables in ingest.env", len(found))
	}
	for _, v := range found {
		if flag := "--" + strings.ToLower(strings.ReplaceAll(v[1], "_", "-")); !strings.Contains(section, flag+"=") {
			t.Errorf("ingest.env: ingest serve has no flag %s", flag)
		}
	}
}

// The state folder is the one that the commented configuration and ingest.env write to.
func TestPathsFitEachOther(t *testing.T) {
	for _, file := range []string{"../edgewarden.yaml", "ingest.env"} {
		for _, path := range regexp.MustCompile(`/(?:var|etc)/[\w./-]+`).FindAllString(read(t, file), -1) {
			if !strings.HasPrefix(path, "/var/lib/edgewarden/") && !strings.HasPrefix(path, "/etc/edgewarden/") && !strings.HasPrefix(path, "/var/run/secrets/") {
				t.Errorf("%s names %s", file, path)
			}
		}
	}
	for _, unit := range []string{"edgewarden-ingest.service", "edgewarden-blocker.service"} {
		text := read(t, unit)
		for _, want := range []string{"\nStateDirectory=edgewarden\n", "\nUser=edgewarden\n", "\nStateDirectoryMode=0700\n", "\nLoadCredential=", "\nLimitCORE=0\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", unit, want)
			}
		}
	}
	// DuckDB spills to TMPDIR, which must be on a disk.
	if text := read(t, "edgewarden-blocker.service"); !strings.Contains(text, "\nCacheDirectory=edgewarden\n") || !strings.Contains(text, "\nEnvironment=TMPDIR=%C/edgewarden\n") {
		t.Error("edgewarden-blocker.service does not spill to its cache folder")
	}
}

// systemd kills after TimeoutStopSec; the defaults of --drain and --shutdown-timeout must fit in.
func TestIngestHasTimeToStop(t *testing.T) {
	page := read(t, "../../docs/flags.md")
	total := time.Duration(0)
	for _, flag := range []string{"drain", "shutdown-timeout"} {
		m := regexp.MustCompile(`--` + flag + `=(\w+)`).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("no default of --%s", flag)
		}
		d, err := time.ParseDuration(m[1])
		if err != nil {
			t.Fatal(err)
		}
		total += d
	}
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(read(t, "edgewarden-ingest.service"))
	if m == nil {
		t.Fatal("no TimeoutStopSec")
	}
	if stop, _ := time.ParseDuration(m[1] + "s"); stop < total+10*time.Second {
		t.Errorf("%s to stop, %s are needed, and room", stop, total)
	}
}
