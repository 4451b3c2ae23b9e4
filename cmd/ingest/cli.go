package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	commandline "edgewarden/internal/cli"
)

// cli is the command line.
type cli struct {
	Serve       serveCmd       `cmd:"" help:"Receive log lines over TCP and ship them to Cloud Logging, a lake, or both."`
	Import      importCmd      `cmd:"" help:"Read existing log files into a lake."`
	Spool       spoolCmd       `cmd:"" help:"Look into a spool, or send dead letters again."`
	Logformat   logformatCmd   `cmd:"" help:"Print the Fastly log format."`
	FastlySetup fastlySetupCmd `cmd:"" name:"fastly-setup" help:"Print log format, VCL, Terraform and API calls for a Fastly service."`
	LintFormat  lintFormatCmd  `cmd:"" name:"lint-format" help:"Check a Fastly log format, anyone's. Exit 1 when something is wrong."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
	Completion  completionCmd  `cmd:"" help:"Print the completion script of a shell."`
}

type serveCmd struct {
	Config string `placeholder:"FILE" help:"YAML file; its section \"ingest\" holds these flags by name."`

	Listen    []string `default:"127.0.0.1:6514" placeholder:"HOST:PORT" help:"Where to listen (repeatable). With a certificate a port speaks TLS; tcp://HOST:PORT stays plain."`
	Spool     string   `required:"" placeholder:"DIR" help:"Folder of the spool."`
	Lake      string   `placeholder:"DIR" help:"Folder of the lake. Without --project the default is ./data/lake."`
	ServiceID string   `name:"service-id" placeholder:"ID" help:"Fastly service stamped on lines that carry none."`
	Ledger    string   `placeholder:"FILE" help:"Audit file for starts, stops and configuration."`

	cloudFlags

	TLSCert    string   `name:"tls-cert" placeholder:"FILE" help:"PEM certificate chain; read again when it changes."`
	TLSKey     string   `name:"tls-key" placeholder:"FILE" help:"Its PEM key."`
	ClientCA   string   `name:"client-ca" placeholder:"FILE" help:"PEM certificates that sign client certificates; a client must then present one, or the token."`
	ClientName []string `placeholder:"NAME" help:"Accept only client certificates with this name, or sha256:HEX (repeatable)."`
	TokenFile  string   `placeholder:"FILE" help:"File with the token each line must begin with; a second line holds the next token. Or: EDGEWARDEN_TOKEN and EDGEWARDEN_TOKEN_2."`

	AllowUnauthenticated bool     `help:"Listen on a non-loopback address although nothing authenticates senders."`
	ProxyFrom            []string `placeholder:"CIDR" help:"Proxies that send a PROXY protocol header (repeatable)."`

	SourceRanges string `default:"off" placeholder:"fastly|FILE|off" help:"Where lines are expected from: fastly is Fastly's published ranges, asked for once a day; a file holds an address or CIDR a line. Lines from elsewhere are counted; they are refused only where neither token nor client CA is configured."`

	ExpectService []string      `placeholder:"ID" help:"Fastly service whose lines are watched for silence, beside the one of --service-id (repeatable)."`
	SilenceAlert  time.Duration `default:"10m" help:"Log a warning when no line came for so long, in all or of a watched service; 0 for never."`

	Admin           string        `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Metrics and health; \"off\" for none."`
	Profile         string        `placeholder:"HOST:PORT" help:"Serve /debug/pprof/ on this loopback address, such as 127.0.0.1:6060."`
	Drain           time.Duration `default:"5s" help:"How long to keep accepting after SIGTERM. A second signal skips it."`
	ShutdownTimeout time.Duration `default:"20s" help:"How long to finish lines and ship after that. What is left stays in the spool."`
	LogFormat       string        `enum:"text,json" default:"text" help:"Form of the program's own log: text, or json as Cloud Logging reads it."`
	LogLevel        string        `enum:"debug,info,warn,error" default:"info" help:"What to log: debug, info, warn or error."`

	MaxConnections          int           `default:"4096" help:"Connections at the same time."`
	MaxConnectionsPerSource int           `default:"256" help:"The same from one source address."`
	HandshakeTimeout        time.Duration `default:"10s" help:"For the PROXY header and TLS."`
	MaxConnectionAge        time.Duration `default:"0" help:"Age at which a connection is closed between two lines, so that a load balancer can place it anew; 0 for never."`
	MaxLine                 int           `default:"65536" help:"Bytes kept of a line."`
	SpoolMaxBytes           int64         `default:"8589934592" help:"Size of the spool at which new lines are dropped."`
	SenderShare             int           `default:"75" placeholder:"PERCENT" help:"Largest part of the spool that one sender alone may fill; 100 for no limit. A sender is an address, or an IPv6 /64."`
	SpoolSync               time.Duration `default:"100ms" help:"How often the spool is synced to disk."`
	LakeAge                 time.Duration `default:"5s" help:"How long rows wait for others before a lake file is written."`
	LakeMaxBytes            int64         `default:"0" help:"Size of the lake at which the oldest hours go; 0 for none."`
	LakeRetention           time.Duration `default:"0" help:"Age at which hours of the lake go; 0 for never."`
	HeartbeatEvery          time.Duration `default:"1m" help:"How often counters are logged and shipped."`
}

type importCmd struct {
	Files     []string `arg:"" name:"file" help:"Log files in any understood format; gzip and zstd are unpacked."`
	Lake      string   `required:"" placeholder:"DIR" help:"Folder of the lake."`
	ServiceID string   `name:"service-id" placeholder:"ID" help:"Fastly service stamped on lines that carry none."`
}

type spoolCmd struct {
	Verify spoolVerify `cmd:"" help:"Check every record. Exit 1 when something is wrong."`
	Stats  spoolStats  `cmd:"" help:"Print how much there is and how much is not shipped."`
	Dump   spoolDump   `cmd:"" help:"Print every record as a JSON line."`
	Replay spoolReplay `cmd:"" help:"Send dead letters again."`
}

const description = `Receives Fastly's log stream over TCP, masks card data and secrets, keeps every line in a spool on disk and files it in Cloud Logging, in a lake of Parquet files, or in both.

Every flag is also an environment variable: --tls-cert is EDGEWARDEN_TLS_CERT. A flag wins over the environment, the environment over the configuration file.`

// command is a chosen command with its flags filled in.
type command func(context.Context, *program) error

// parseArgs reads flags, environment and configuration file. A nil command
// without error means that help was printed and code is the exit code.
func parseArgs(args []string, getenv func(string) string, stdout io.Writer) (cmd command, code int, err error) {
	c, ctx, code, err := parseAll(args, getenv, stdout)
	if err != nil || ctx == nil {
		return nil, code, err
	}
	return c.command(ctx.Command())
}

// parseAll fills the flags in from the command line, the environment and the
// configuration file.
func parseAll(args []string, getenv func(string) string, stdout io.Writer) (c *cli, ctx *kong.Context, code int, err error) {
	// Kong lets the last resolver win, so the file is asked first.
	var resolvers []kong.Resolver
	if file := configArg(args, getenv); file != "" {
		values, err := readConfig(file, flagNames())
		if err != nil {
			return nil, nil, exitUsage, usageError{err}
		}
		resolvers = append(resolvers, values)
	}
	return parseFlags(args, stdout, append(resolvers, environment(getenv))...)
}

// command returns what runs the command that kong calls name.
func (c *cli) command(name string) (cmd command, code int, err error) {
	switch name {
	case "serve":
		cmd = c.Serve.run
	case "import <file>":
		cmd = c.Import.run
	case "spool verify":
		cmd = c.Spool.Verify.run
	case "spool stats":
		cmd = c.Spool.Stats.run
	case "spool dump":
		cmd = c.Spool.Dump.run
	case "spool replay":
		cmd = c.Spool.Replay.run
	case "logformat":
		cmd = c.Logformat.run
	case "fastly-setup":
		cmd = c.FastlySetup.run
	case "lint-format <file>":
		cmd = c.LintFormat.run
	case "completion <shell>":
		cmd = c.Completion.run
	case "version":
		cmd = c.Version.run
	default:
		return nil, exitUsage, usagef("command %q has no implementation: bug", name)
	}
	return cmd, 0, nil
}

// helped unwinds kong when it has printed help and asks to exit.
type helped int

func parseFlags(args []string, stdout io.Writer, resolvers ...kong.Resolver) (c *cli, ctx *kong.Context, code int, err error) {
	bare := len(args) == 0 // no command: print the help, and say that it was not asked for
	if bare {
		args = []string{"--help"}
	}
	defer func() {
		if r := recover(); r != nil {
			h, ok := r.(helped)
			if !ok {
				panic(r)
			}
			c, ctx, code, err = nil, nil, int(h), nil
			if bare {
				code = exitUsage
			}
		}
	}()
	c = &cli{}
	k, err := kong.New(c, kong.Name("ingest"), kong.Description(description), kong.Writers(stdout, stdout),
		kong.Exit(func(code int) { panic(helped(code)) }), kong.Resolvers(resolvers...),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}))
	if err != nil {
		return nil, nil, exitFailed, fmt.Errorf("building the command line: bug: %w", err)
	}
	if err := commandline.Teach(k.Model, examples); err != nil {
		return nil, nil, exitFailed, fmt.Errorf("bug: %w", err)
	}
	ctx, err = k.Parse(args)
	if err != nil {
		return nil, nil, exitUsage, usageError{err}
	}
	return c, ctx, 0, nil
}

// environment resolves a flag from its variable.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if v := getenv(envName(flag.Name)); v != "" {
			return v, nil
		}
		return nil, nil
	})
}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "EDGEWARDEN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// configArg finds the configuration file of serve, which must be known before
// the flags that it may fill in are checked.
func configArg(args []string, getenv func(string) string) string {
	if len(args) == 0 || args[0] != "serve" {
		return ""
	}
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			return v
		}
		if a == "--config" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return getenv(envName("config"))
}

// flagNames lists the flags of serve that a configuration file may hold: all
// but the name of the file itself.
func flagNames() []string {
	k := kong.Must(&cli{})
	var names []string
	for _, n := range k.Model.Children {
		if n.Name != "serve" {
			continue
		}
		for _, f := range n.Flags {
			if f.Name != "config" && f.Name != "help" {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// tokens returns the configured tokens: from the file, or from the environment.
func (c *serveCmd) tokens(getenv func(string) string) ([][]byte, error) {
	var lines []string
	if c.TokenFile != "" {
		b, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("reading --token-file: %w", err)
		}
		lines = strings.Split(strings.TrimRight(string(b), "\r\n"), "\n")
		if len(lines) > 2 {
			return nil, usagef("--token-file %s has %d lines: at most two tokens, one a line, are accepted at the same time", c.TokenFile, len(lines))
		}
	}
	env := []string{getenv("EDGEWARDEN_TOKEN"), getenv("EDGEWARDEN_TOKEN_2")}
	if c.TokenFile != "" && (env[0] != "" || env[1] != "") {
		return nil, usagef("--token-file and EDGEWARDEN_TOKEN are both set: give the token in one place")
	}
	var tokens [][]byte
	for _, l := range append(lines, env...) {
		if l = strings.TrimRight(l, "\r"); l != "" {
			tokens = append(tokens, []byte(l))
		}
	}
	if c.TokenFile != "" && len(tokens) == 0 {
		return nil, usageError{errors.New("--token-file " + c.TokenFile + " holds no token")}
	}
	return tokens, nil
}
