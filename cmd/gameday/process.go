package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// program finds a program that was built beside this one.
func program(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("finding %s beside gameday: %w: run make build", name, err)
	}
	return path, nil
}

// process is the real ingest, running.
type process struct {
	cmd    *exec.Cmd
	addr   string // where it listens
	admin  string // its operator's port
	mu     sync.Mutex
	stderr bytes.Buffer
	done   chan error
}

var (
	listening = regexp.MustCompile(`msg="?listening"? addr=(\S+)`)
	adminPort = regexp.MustCompile(`msg="?admin listening"? addr=(\S+)`)
)

// startIngest starts ingest and waits until it accepts connections.
func startIngest(ctx context.Context, dir, token string) (*process, error) {
	path, err := program("ingest")
	if err != nil {
		return nil, err
	}
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(token+"\n"), 0o600); err != nil {
		return nil, err
	}
	p := &process{done: make(chan error, 1)}
	p.cmd = exec.CommandContext(ctx, path, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--spool", filepath.Join(dir, "spool"), "--lake", lakeDir(dir), "--lake-age", "100ms", "--token-file", tokenFile, "--service-id", service, "--drain", "0s")
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting ingest: %w", err)
	}
	ready := make(chan struct{})
	go p.read(pipe, ready)
	select {
	case <-ready:
		return p, nil
	case err := <-p.done:
		return nil, fmt.Errorf("ingest ended before it listened: %v\n%s", err, p.log())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// read keeps what ingest says and notes where it listens.
func (p *process) read(pipe io.Reader, ready chan<- struct{}) {
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		p.mu.Lock()
		p.stderr.WriteString(lines.Text() + "\n")
		if m := adminPort.FindStringSubmatch(lines.Text()); m != nil {
			p.admin = m[1]
		} else if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			p.addr = m[1]
		}
		if p.addr != "" && p.admin != "" && ready != nil {
			close(ready)
			ready = nil
		}
		p.mu.Unlock()
	}
	p.done <- p.cmd.Wait()
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// stop ends ingest as Kubernetes would and waits for its exit.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		return errors.New("ingest did not end within 30 s of SIGTERM")
	}
}

// kill ends ingest as a dead machine would.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.done // says that it was killed
	return nil
}

// importFile runs ingest import on a log file.
func (s *stage) importFile(ctx context.Context, file string) error {
	path, err := program("ingest")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, path, "import", file, "--lake", lakeDir(s.dir), "--service-id", service).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ingest import: %w\n%s", err, out)
	}
	return nil
}

// metric reads one counter, summed over its labels, from the operator's port.
func (p *process) metric(ctx context.Context, name string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var sum float64
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		rest, ok := bytes.CutPrefix(lines.Bytes(), []byte(name))
		if !ok || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}
		value, err := strconv.ParseFloat(string(rest[bytes.LastIndexByte(rest, ' ')+1:]), 64)
		if err != nil {
			return 0, fmt.Errorf("reading metric %s: %w", name, err)
		}
		sum += value
	}
	return int64(sum), nil
}

// waitFor polls a counter until it reaches want.
func (p *process) waitFor(ctx context.Context, name string, want int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := p.metric(ctx, name)
		if err == nil && got >= want {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("ingest ended: %v\n%s", err, p.log())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to reach %d: it is %d (%v)\n%s", name, want, got, err, p.log())
		}
	}
}
