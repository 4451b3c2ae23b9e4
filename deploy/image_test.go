//go:build images

// Package deploy_test builds the images as deploy/Dockerfile does, but without Docker, and runs both programs in them: make images.
package deploy_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// instruction is one of a Dockerfile.
type instruction struct{ name, rest string }

// stage is what stands between two FROM lines.
type stage struct {
	from string
	does []instruction
}

// dockerfile reads the stages, by name.
func dockerfile(t *testing.T) map[string]stage {
	t.Helper()
	content, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(string(content), "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	stages, current := map[string]stage{}, ""
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "":
		case name == "FROM":
			from, as, ok := strings.Cut(rest, " AS ")
			if !ok {
				t.Fatalf("a stage without a name: %s", line)
			}
			current = as
			stages[as] = stage{from: from}
		default:
			s := stages[current]
			s.does = append(s.does, instruction{name, rest})
			stages[current] = s
		}
	}
	return stages
}

// build runs the go build commands of the stage build; /out becomes a folder of ours.
func build(t *testing.T, s stage) (out string) {
	t.Helper()
	out = t.TempDir()
	commands := 0
	for _, i := range s.does {
		if i.name != "RUN" || !strings.Contains(i.rest, "go build") {
			continue
		}
		commands++
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(i.rest, "/out/", out+"/"))
		cmd.Dir = ".."
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", i.rest, err, said)
		}
	}
	if commands == 0 {
		t.Fatal("the Dockerfile builds nothing")
	}
	return out
}

// image lays a final stage's files out in a folder, as COPY says, and returns what starts in it.
func image(t *testing.T, stages map[string]stage, name, out string) (root string, argv []string) {
	t.Helper()
	root = t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	chain := []string{name}
	for stages[chain[0]].from != "scratch" {
		chain = slices.Insert(chain, 0, stages[chain[0]].from)
		if len(chain) > len(stages) {
			t.Fatalf("%s is not made from scratch", name)
		}
	}
	user := ""
	for _, s := range chain {
		for _, i := range stages[s].does {
			switch i.name {
			case "COPY":
				copyFrom(t, root, strings.TrimPrefix(i.rest, "--from=build "), out)
			case "USER":
				user = i.rest
			case "ENTRYPOINT":
				argv = strings.Split(strings.Trim(i.rest, `["]`), `", "`)
			}
		}
	}
	if user != "65532:65532" || len(argv) != 1 {
		t.Fatalf("%s: user %q, entrypoint %q", name, user, argv)
	}
	return root, argv
}

func copyFrom(t *testing.T, root, what, out string) {
	t.Helper()
	from, to, _ := strings.Cut(what, " ")
	if strings.HasSuffix(to, "/") {
		to += filepath.Base(from)
	}
	content, err := os.ReadFile(strings.Replace(from, "/out/", out+"/", 1))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, to)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %.1f MB", to, float64(len(content))/1e6)
}

// static reports what a binary needs besides itself.
func static(t *testing.T, path string) (needs []string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			needs = append(needs, "a dynamic linker")
		}
	}
	libraries, err := f.DynString(elf.DT_NEEDED)
	if err == nil {
		needs = append(needs, libraries...)
	}
	return needs
}

// container runs a program in its image, as the image's user, with one folder to write to.
func container(t *testing.T, root string, argv ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start a program in a root of its own; what was built was checked all the same")
	}
	data := filepath.Join(root, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: argv[0], Args: argv, Dir: "/", Env: []string{},
		SysProcAttr: &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}}
}

func TestImages(t *testing.T) {
	stages := dockerfile(t)
	out := build(t, stages["build"])
	for _, name := range []string{"ingest", "blocker"} {
		if needs := static(t, filepath.Join(out, name)); len(needs) != 0 {
			t.Errorf("%s is not static: it needs %v", name, needs)
		}
		if info, err := exec.CommandContext(t.Context(), "go", "version", "-m", filepath.Join(out, name)).Output(); err != nil || !bytes.Contains(info, []byte("-trimpath=true")) {
			t.Errorf("%s: %v\n%s", name, err, info)
		}
	}
	if sh, err := exec.LookPath("bash"); err == nil && len(static(t, sh)) == 0 {
		t.Log("bash is static here, so that the check above was not shown to fail")
	}
	t.Run("ingest", func(t *testing.T) { testIngest(t, stages, out) })
	t.Run("blocker", func(t *testing.T) { testBlocker(t, stages, out) })
}

func testIngest(t *testing.T, stages map[string]stage, out string) {
	root, argv := image(t, stages, "ingest", out)
	said, err := container(t, root, argv[0], "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "ingest ") {
		t.Fatalf("%v: %s", err, said)
	}
	serve := container(t, root, argv[0], "serve", "--listen=127.0.0.1:0", "--spool=/data/spool", "--lake=/data/lake", "--admin=127.0.0.1:0", "--drain=0s")
	stderr, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serve.Process.Kill() })
	log, admin := bufio.NewScanner(stderr), ""
	for log.Scan() {
		t.Log(log.Text())
		if m := regexp.MustCompile(`msg="admin listening" addr=(\S+)`).FindStringSubmatch(log.Text()); m != nil {
			admin = m[1]
		}
		if regexp.MustCompile(`msg="listening"`).MatchString(log.Text()) {
			break
		}
	}
	answer, err := http.Get("http://" + admin + "/readyz")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("it is not ready: %v, %v", answer, err)
	}
	answer.Body.Close()
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for log.Scan() {
		t.Log(log.Text())
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func testBlocker(t *testing.T, stages map[string]stage, out string) {
	root, argv := image(t, stages, "blocker", out)
	if said, err := container(t, root, argv[0], "version").CombinedOutput(); err != nil || len(bytes.TrimSpace(said)) == 0 {
		t.Fatalf("%v: %s", err, said)
	}
	rules := "rules:\n  - name: busy\n    window: 15m\n    when: requests >= 30\n"
	if err := os.WriteFile(filepath.Join(root, "rules.yaml"), []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "data", "lake"), 0o755); err != nil {
		t.Fatal(err)
	}
	run := container(t, root, argv[0], "run", "--lake=/data/lake", "--rules=/rules.yaml", "--dry-run", "--json")
	var stderr bytes.Buffer
	run.Stderr = &stderr
	said, err := run.Output()
	if err != nil || !bytes.Contains(said, []byte(`"verdict"`)) {
		t.Fatalf("%v: %s%s", err, said, stderr.String())
	}
	usage, ok := run.ProcessState.SysUsage().(*syscall.Rusage)
	if ok {
		t.Logf("a run over an empty lake: at most %d MB of memory", usage.Maxrss/1024)
	}
}
