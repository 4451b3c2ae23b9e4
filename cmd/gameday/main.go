// Command gameday is the rehearsal: a stand-in for Fastly's edge, labelled
// traffic over TCP, the real ingest and the real blocker as processes, and a
// score. Everything stays on loopback and in a temporary folder.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

type cli struct {
	Rehearse rehearseCmd `cmd:"" default:"withargs" help:"Run the rehearsal and print its score (the default command)."`
	Play     playCmd     `cmd:"" help:"Play long games in compressed time, with every actor and every trouble, and print a score for each seed."`
	Fastly   fastlyCmd   `cmd:"" help:"Serve the Fastly stand-in alone."`
}

type rehearseCmd struct {
	Seed uint64 `help:"Seed of the traffic; the same seed gives the same requests." default:"1"`
	JSON bool   `help:"Print the score as JSON." name:"json"`
	Keep bool   `help:"Keep the temporary folder (spool, lake, ledger, logs) and say where it is."`
}

type fastlyCmd struct {
	Listen string `help:"Address to listen on." default:"127.0.0.1:8099"`
}

type exited int

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			code = int(r)
		default:
			panic(r) // a bug: the process must die of it, not exit with 0
		}
	}()
	var c cli
	parser, err := kong.New(&c, kong.Name("gameday"),
		kong.Description("Rehearses the whole path on this machine: attackers among customers, both programs, a stand-in edge, a score."),
		kong.DefaultEnvars("EDGEWARDEN_GAMEDAY"), kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exited(code)) }))
	if err != nil {
		fmt.Fprintln(stderr, "gameday: bug in the command line's definition:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "gameday: %v\nSee gameday --help.\n", err)
		return 64
	}
	passed := true
	switch parsed.Command() {
	case "fastly":
		err = serveFastly(ctx, c.Fastly.Listen, stderr)
	case "play":
		passed, err = play(ctx, c.Play, stdout, stderr)
	default:
		passed, err = rehearse(ctx, c.Rehearse, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "gameday:", err)
		return 1
	}
	if !passed {
		return 1
	}
	return 0
}
