// Package clitest helps the scripts that use edgewarden's programs as an
// engineer does: see https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript.
package clitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// Run is what the programs' main calls.
type Run func(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int

// failedCheck is the exit code of a program whose output does not pass its check; the programs themselves use none so high.
const failedCheck = 99

// Program returns the main function of a program inside a script: what it prints goes through scrub, and through check before that, where there is one.
func Program(run Run, scrub func(string) string, check func(args []string, stdout []byte) error) func() {
	return func() {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), os.Args[1:], os.Getenv, &stdout, &stderr)
		if check != nil {
			if err := check(os.Args[1:], stdout.Bytes()); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = failedCheck
			}
		}
		fmt.Fprint(os.Stdout, scrub(stdout.String()))
		fmt.Fprint(os.Stderr, scrub(stderr.String()))
		os.Exit(code)
	}
}

// Code is a script's command that runs a program which must end with an exit code: code 3 blocker run.
func Code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program [args]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

var clock = regexp.MustCompile(`\b20(?:2\d|30)-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`)

// Clock replaces the times of this machine's clock, until 2030, by CLOCK. The
// records of the scripts are of 2031, so their times stay.
func Clock(s string) string { return clock.ReplaceAllString(s, "CLOCK") }
