package edgewarden_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTheWalkthroughOfTheReadme does what README.md tells a reader to do by hand, with a shell: the commands of that section
// as they stand there, but for the ports, which are free ones, and for the pause, which becomes a wait for the rows.
func TestTheWalkthroughOfTheReadme(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the walkthrough needs %s", tool)
		}
	}
	dir := t.TempDir()
	if err := os.Symlink(buildPrograms(t), filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("testdata/combined.log")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "testdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "testdata", "combined.log"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := blocksOf(t, "README.md", walkthrough)
	if len(blocks) != 5 {
		t.Fatalf("%d blocks of commands, want the two servers and three more", len(blocks))
	}
	ports := freePorts(t, 3)
	fastly, ingest, admin := ports[0], ports[1], ports[2]
	lines := bytes.Count(content, []byte("\n"))
	change := strings.NewReplacer("8099", fastly, "6514", ingest, "9090", admin,
		"sleep 6;", "until [ \"$(curl -s http://127.0.0.1:"+admin+"/metrics | sed -n 's/^edgewarden_ingest_shipped_records_total.*} //p')\" = "+strconv.Itoa(lines)+" ]; do sleep 0.1; done;")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for _, server := range blocks[:2] {
		text := "exec " + strings.TrimSpace(change.Replace(server))
		if strings.Contains(text, "ingest") {
			text += " --admin 127.0.0.1:" + admin
		}
		cmd := shell(ctx, dir, text)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { cancel(); _ = cmd.Wait() }()
	}
	script := "set -euo pipefail\nuntil curl -fs http://127.0.0.1:" + admin + "/readyz >/dev/null && curl -s http://127.0.0.1:" + fastly + " >/dev/null; do sleep 0.1; done\n" +
		change.Replace(strings.Join(blocks[2:], "\n"))
	out, err := shell(ctx, dir, script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	// What the page says will happen, in this order.
	rest := string(out)
	for _, want := range []string{"edgewarden_ingest_shipped_records_total", "forgeable_address", "+ block    203.0.113.77/32", "enforcing until", "+ exempt   203.0.113.77/32", "! refused  203.0.113.77"} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q where the page says it comes, in\n%s", want, out)
		}
		rest = after
	}
}

// shell runs a script of a page, with nothing of this machine's settings.
func shell(ctx context.Context, dir, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// blocksOf gives the blocks of indented lines of a section.
func blocksOf(t *testing.T, page, heading string) (blocks []string) {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(content), heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	in := false
	for line := range strings.Lines(section) {
		text, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && in:
			blocks[len(blocks)-1] += text
		case indented:
			blocks = append(blocks, text)
		}
		in = indented
	}
	return blocks
}

// freePorts are n ports of loopback that nobody had a moment ago. They lie below those that the system hands out, so that no
// other test is given one of them meanwhile.
func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(20_000 + rand.IntN(10_000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		defer l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("no port is free")
	return nil
}
