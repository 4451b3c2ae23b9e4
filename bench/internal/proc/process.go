package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// Patience is how long a program may take for something that must happen.
const Patience = 60 * time.Second

// Output collects what a program says; one can wait for something in it.
type Output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return o.b.Write(p)
}

// String is all that was said so far.
func (o *Output) String() string { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

// Lines is how many lines were said.
func (o *Output) Lines() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.b.Bytes(), []byte("\n"))
}

// Process is a running program.
type Process struct {
	Stdout, Stderr *Output

	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and was waited for
	err   error         // how; read after ended
}

// Start starts a program. It dies with this one.
func Start(env []string, path string, args ...string) (*Process, error) {
	p := &Process{Stdout: new(Output), Stderr: new(Output), name: path, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.Stdout, p.Stderr
	setDeathSignal(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	return p, nil
}

// Say waits until the program says something that matches re and returns the
// first group.
func (p *Process) Say(ctx context.Context, re string) (string, error) {
	r := regexp.MustCompile(re)
	for {
		p.Stderr.mu.Lock()
		m := r.FindSubmatch(p.Stderr.b.Bytes())
		if p.Stderr.changed == nil {
			p.Stderr.changed = make(chan struct{})
		}
		changed := p.Stderr.changed
		p.Stderr.mu.Unlock()
		if m != nil {
			return string(m[1]), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for %s to say %s: %w; it says:\n%s", p.name, re, ctx.Err(), p.Stderr)
		case <-p.ended:
			return "", fmt.Errorf("%s ended (%v) and did not say %s:\n%s", p.name, p.err, re, p.Stderr)
		}
	}
}

// SayWithin is Say with a deadline.
func (p *Process) SayWithin(d time.Duration, re string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return p.Say(ctx, re)
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends it as a power cut would, and waits.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// Stop asks it to stop and waits; it is killed when it does not.
func (p *Process) Stop(patience time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		if p.err != nil {
			return fmt.Errorf("%s: %w:\n%s", p.name, p.err, p.Stderr)
		}
		return nil
	case <-time.After(patience):
		p.Kill()
		return fmt.Errorf("%s did not stop within %s:\n%s", p.name, patience, p.Stderr)
	}
}

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Wait waits for its own end.
func (p *Process) Wait() error {
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%s: %w:\n%s", p.name, p.err, p.Stderr)
	}
	return nil
}
