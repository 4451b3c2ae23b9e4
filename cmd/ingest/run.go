package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime/debug"

	"edgewarden/internal/logformat"
)

// The exit codes that ingest has of those in ARCHITECTURE.md.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64
)

// errFindings ends a command that worked and found something wrong; what it
// found is printed already.
var errFindings = errors.New("problems were found")

// program is one call of the program: what it was given and where it speaks.
type program struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

// run is the whole program. It returns the exit code; ctx ends a command early.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	p := &program{getenv: getenv, stdout: stdout, stderr: stderr}
	cmd, code, err := parseArgs(args, getenv, stdout)
	if err == nil && cmd == nil {
		return code // --help
	}
	if err == nil {
		err = cmd(ctx, p)
	}
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFindings):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "ingest: %v\nRun \"ingest --help\" for the commands and \"ingest COMMAND --help\" for the flags of one.\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "ingest: %v\n", err)
	return exitFailed
}

// usageError is a mistake in flags, environment or configuration file.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

type logformatCmd struct {
	VCL      string `name:"vcl" placeholder:"ENDPOINT" help:"Print a VCL log statement for the logging endpoint of this name instead."`
	Bigquery bool   `name:"bigquery" help:"Print the format for Fastly's own BigQuery endpoint instead: without query, referer and user agent, which nothing would redact."`
}

func (c *logformatCmd) run(_ context.Context, p *program) error {
	if c.VCL != "" && !endpointName.MatchString(c.VCL) {
		return usagef("--vcl %q: want the name of a logging endpoint: letters, digits, spaces and ._-", c.VCL)
	}
	if c.VCL != "" && c.Bigquery {
		return usagef("--vcl and --bigquery exclude each other")
	}
	if c.VCL != "" {
		_, err := io.WriteString(p.stdout, logformat.Statement(c.VCL))
		return err
	}
	format := logformat.Format()
	if c.Bigquery {
		format = logformat.BigQueryFormat()
	}
	_, err := fmt.Fprintln(p.stdout, format)
	return err
}

// endpointName is what a logging endpoint may be called without meaning something else in VCL.
var endpointName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,98}$`)

type versionCmd struct{}

func (versionCmd) run(_ context.Context, p *program) error {
	_, err := fmt.Fprintln(p.stdout, "ingest", version())
	return err
}

// version is the module version and the commit the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v
}
