// Command blocker asks the stored logs for addresses with anomalous request
// rates and keeps the Fastly edge ACL in step: blocks with reason and expiry,
// releases when due, and with --dry-run shows what it would do and why.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // images without zone data still understand --schedule "CRON_TZ=…"

	"github.com/alecthomas/kong"

	commandline "edgewarden/internal/cli"
	"edgewarden/internal/plain"
	"edgewarden/internal/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes; scripts and manifests rely on them.
const (
	exitOK      = 0
	exitFailed  = 1  // nothing written
	exitPending = 2  // changes pending, only with --detailed-exitcode
	exitRefused = 3  // a class of changes refused by the guard, stopped, or not set up
	exitPartly  = 4  // partly applied, rules left out for --max-bytes, or one of several services failed
	exitUsage   = 64 // the call itself is wrong
)

// usageError is a fault in how the program was called.
type usageError struct{ error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// exited carries kong's wish to end (after --help) out of the parser.
type exited int

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) (code int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			code = int(r)
		default:
			panic(r) // a bug: the process must die of it, not exit with 0
		}
	}()
	var cli cli
	parser, err := newParser(&cli, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "blocker: bug in the command line's definition:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "blocker: %v\nSee blocker --help.\n", err)
		return exitUsage
	}
	p := newProgram(&cli.flags, getenv, stdout, stderr)
	defer p.busy.Close()
	code, err = p.dispatch(ctx, parsed.Command(), &cli)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "blocker: %s\n", errorText(err))
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "blocker: %s\n", errorText(err))
		if code == exitOK {
			code = exitFailed
		}
	}
	return code
}

// errorText is an error for a terminal: it may quote a file that somebody else wrote.
func errorText(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, l := range lines {
		lines[i] = plain.Text(l, 0)
	}
	return strings.Join(lines, "\n")
}

// newParser reads the command line into c.
func newParser(c *cli, stdout, stderr io.Writer) (*kong.Kong, error) {
	parser, err := kong.New(c,
		kong.Name("blocker"),
		kong.Description("Finds addresses with anomalous request rates in the stored logs and keeps Fastly's edge ACL in step."),
		kong.DefaultEnvars("EDGEWARDEN"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
	)
	if err != nil {
		return nil, err
	}
	return parser, commandline.Teach(parser.Model, examples)
}

// newProgram gives the program its streams. Where a person watches stderr, the log and stdout go through the progress line, so
// that it never stands between them.
func newProgram(f *flags, getenv func(string) string, stdout, stderr io.Writer) *program {
	p := &program{flags: f, getenv: getenv, screen: terminal.Of(stdout, getenv, f.Color)}
	if terminal.IsTerminal(stderr) && getenv("TERM") != "dumb" {
		p.busy = terminal.NewProgress(stderr, true, terminal.Of(stderr, getenv, terminal.Never).Width, nil)
		p.stdout, p.stderr, p.log = p.busy.Before(stdout), p.busy, newLogger(p.busy, f.LogFormat)
		return p
	}
	p.stderr, p.log = stderr, newLogger(stderr, f.LogFormat)
	p.busy = terminal.NewProgress(stderr, false, 0, p.log)
	p.stdout = p.busy.Before(stdout)
	return p
}

// newLogger writes the program's own log in UTC: key=value lines, or JSON with the keys Cloud Logging's agents look for.
// https://cloud.google.com/logging/docs/structured-logging
func newLogger(w io.Writer, form string) *slog.Logger {
	names := map[string]string{}
	if form == "json" {
		names = map[string]string{slog.MessageKey: "message", slog.LevelKey: "severity"}
	}
	o := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		if a.Key == slog.TimeKey {
			return slog.String(a.Key, a.Value.Time().UTC().Format(time.RFC3339Nano))
		}
		if form == "json" && a.Key == slog.LevelKey && a.Value.String() == "WARN" {
			a.Value = slog.StringValue("WARNING")
		}
		if name, ok := names[a.Key]; ok {
			a.Key = name
		}
		return a
	}}
	if form == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
