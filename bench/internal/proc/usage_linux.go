package proc

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, 100 on every Linux that
// Go runs on. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
const tick = time.Second / 100

func setDeathSignal(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// Usage is what a process has cost so far.
type Usage struct {
	User, System time.Duration
	MaxRSS       int64 // bytes: the most it ever had
}

// CPU is user and system time together.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// Usage reads what the process has cost so far, to a hundredth of a second.
func (p *Process) Usage() (u Usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return u, err
	}
	// The name is in parentheses and may hold anything; state is the field after it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return u, fmt.Errorf("/proc/%d/stat has %d fields", p.PID(), len(fields))
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return u, err
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	if err != nil {
		return u, err
	}
	u.User, u.System = time.Duration(user)*tick, time.Duration(system)*tick
	u.MaxRSS, err = p.memory("VmHWM:")
	return u, err
}

// RSS is how much memory it has now, in bytes.
func (p *Process) RSS() (int64, error) { return p.memory("VmRSS:") }

func (p *Process) memory(key string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok {
			kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", p.PID(), key)
}

// RaiseFileLimit lets this process and its children open as many files as the
// system allows, and returns how many that is.
func RaiseFileLimit() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	// Set even when nothing changes: the Go runtime restores the old soft limit in
	// children of a process that never set it.
	l.Cur = l.Max
	return l.Cur, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}
