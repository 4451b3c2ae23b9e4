package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"edgewarden/internal/terminal"
)

// flags hold for every command.
type flags struct {
	Config string `help:"Configuration file that can hold everything." type:"path" placeholder:"FILE"`
	Rules  string `help:"Rules file, the short form of --config." type:"path" placeholder:"FILE"`

	Lake             string `help:"Folder of Parquet files written by ingest." type:"path" placeholder:"DIR" group:"Store"`
	Bigquery         string `help:"Log table." placeholder:"PROJECT.DATASET.TABLE" group:"Store"`
	TableKind        string `help:"What wrote the table: sink (Log Router), fastly (Fastly's BigQuery endpoint) or custom." enum:",sink,fastly,custom" default:"" group:"Store"`
	Location         string `help:"Location of the dataset, such as EU." group:"Store"`
	BigqueryEndpoint string `help:"Another BigQuery endpoint." placeholder:"URL" group:"Store"`
	MaxBytes         size   `help:"Most bytes a query of BigQuery may be billed for, such as 50GiB, the default; above it the rules with the longest windows are left out, with an alert. It does nothing with a lake." placeholder:"SIZE" group:"Store"`

	ServiceID       string        `help:"Fastly service." name:"service-id" group:"Edge"`
	ACL             []string      `help:"Block ACLs of the service, in order." name:"acl" group:"Edge"`
	Owner           string        `help:"Owner named in the entries; entries of other owners are never touched (default edgewarden)." group:"Edge"`
	FastlyEndpoint  string        `help:"Another Fastly API endpoint." placeholder:"URL" group:"Edge"`
	FastlyTokenFile string        `help:"File with the Fastly API token; else FASTLY_API_TOKEN or FASTLY_API_KEY." type:"path" placeholder:"FILE" group:"Edge"`
	Lease           time.Duration `help:"How long the edge goes on enforcing after a successful run (default 24h)." group:"Edge"`

	Ledger         string        `help:"Where audit events and run summaries are kept: a file, or a BigQuery table (PROJECT.DATASET.TABLE)." placeholder:"FILE|TABLE"`
	MetricsProject string        `help:"Google Cloud project to write the numbers of every run to, in Cloud Monitoring (default: nowhere)." placeholder:"PROJECT"`
	Actor          string        `help:"Who is doing this, for the ledger; else the pod or the user."`
	Period         time.Duration `help:"How often a run happens (default 5m, or taken from --schedule)."`
	Settle         time.Duration `help:"How long rows may take to reach the store (default 15s for the lake, 2m for BigQuery)."`
	Now            string        `help:"Take this time as T, for rehearsals. Dry unless the Fastly endpoint is on loopback." placeholder:"RFC3339"`
	DryRun         bool          `help:"Write nothing outside this machine; show what would be done and why."`
	LogFormat      string        `help:"Form of the program's own log on stderr: text, or json as Cloud Logging reads it." enum:"text,json" default:"text"`
	JSON           bool          `help:"Print one JSON object instead of text." name:"json"`
	All            bool          `help:"Show everything; without it a terminal gets what fits: the top 60 changes of each kind, one screen of status."`
	Color          terminal.When `help:"Colour the text: auto (on a terminal, unless NO_COLOR is set), always or never." enum:"auto,always,never" default:"auto"`
}

// cli is the command line.
type cli struct {
	flags

	Plan      planCmd     `cmd:"" help:"Decide as a run would, write nothing to the edge, and keep the plan in a file for review."`
	Apply     applyCmd    `cmd:"" help:"Carry out a reviewed plan, after judging it again entry by entry."`
	Run       runCmd      `cmd:"" default:"withargs" help:"Detect, decide, and update the ACL (the default command)."`
	Status    statusCmd   `cmd:"" help:"Show what is blocked, why and until when."`
	Explain   explainCmd  `cmd:"" help:"Say what each rule measures of an address, and what lists, edge and ledger know of it."`
	Block     blockCmd    `cmd:"" help:"Block addresses by hand."`
	Unblock   unblockCmd  `cmd:"" help:"Release addresses and exempt them for a while."`
	Stop      reasonCmd   `cmd:"" help:"Kill switch: the edge stops enforcing, runs stop writing."`
	Start     reasonCmd   `cmd:"" help:"Undo stop."`
	Purge     reasonCmd   `cmd:"" help:"Remove every entry of this owner."`
	Backtest  backtestCmd `cmd:"" help:"Replay the rules over the past: who would have been blocked, and what that would have refused."`
	Suggest   suggestCmd  `cmd:"" help:"Measure every bound of the rules over the past and propose thresholds."`
	Check     struct{}    `cmd:"" help:"Check configuration, store, token, ACLs and dictionary."`
	RuleFiles rulesCmd    `cmd:"" name:"rules" help:"Work on rules."`
	Notify    notifyCmd   `cmd:"" help:"Work on notifications."`
	Audit     auditCmd    `cmd:"" help:"Read the ledger."`
	Version   struct{}    `cmd:"" help:"Print the version."`

	Completion completionCmd `cmd:"" help:"Print the completion script of a shell."`
}

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

type rulesCmd struct {
	Test struct {
		File string `arg:"" help:"YAML file with traffic and the offenders it must give." type:"path"`
	} `cmd:"" help:"Run a file of made-up traffic against the rules. Exit 1 when a test fails."`
}

type notifyCmd struct {
	Test struct{} `cmd:"" help:"Send a message marked as a test to the configured webhook."`
}

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check the chain of every run. Exit 1 when a record was changed, removed, inserted or moved."`
	Show   auditShowCmd   `cmd:"" help:"Print events."`
}

type auditVerifyCmd struct {
	Log string `help:"What blocker logged, kept elsewhere: each run in it must end in the ledger as it ended then, so that a ledger cut short is found out." type:"existingfile" placeholder:"FILE"`
}

type auditShowCmd struct {
	IP    string        `help:"Only events about this address." name:"ip"`
	Since time.Duration `help:"Only events of the last so long (default all)."`
}

type runCmd struct {
	DetailedExitcode bool   `help:"Exit 2 when changes are pending."`
	Schedule         string `help:"Stay and run on this cron schedule (UTC, five fields)." placeholder:"CRON"`
	Admin            string `help:"Address of the operator's port, with --schedule: metrics, health, and the page of the last run." placeholder:"ADDR"`
	Report           string `help:"Keep the page of each run in this file: what is blocked, why, until when." type:"path" placeholder:"FILE.html"`
}

type explainCmd struct {
	Address   string `arg:"" optional:"" help:"Address or prefix."`
	RequestID string `help:"Explain who made this request of the last day, refused or not; the block page names it." name:"request-id"`
}

type statusCmd struct {
	Report string `help:"Keep the page of what is at the edge in this file." type:"path" placeholder:"FILE.html"`
}

type planCmd struct {
	Report           string `help:"Keep the page of the plan in this file." type:"path" placeholder:"FILE.html"`
	Out              string `short:"o" help:"Where to keep the plan." type:"path" required:"" placeholder:"FILE"`
	DetailedExitcode bool   `help:"Exit 2 when changes are pending."`
}

type applyCmd struct {
	File     string `arg:"" help:"Plan made by blocker plan -o." type:"path"`
	Override string `help:"Lift one limit of the guard for this plan." placeholder:"LIMIT"`
	Reason   string `help:"Why; needed with --override, kept in the ledger."`
}

type blockCmd struct {
	Address []string      `arg:"" optional:"" help:"Addresses or prefixes."`
	File    string        `short:"f" help:"File with one address or prefix a line; # begins a comment." type:"path" placeholder:"FILE"`
	For     time.Duration `help:"For how long." required:""`
	Reason  string        `help:"Why; kept in the ledger." required:""`
}

type unblockCmd struct {
	Address         []string      `arg:"" help:"Addresses or prefixes."`
	Exempt          time.Duration `help:"How long they cannot be blocked again, at most 168h." default:"24h"`
	Reason          string        `help:"Why; kept in the ledger." required:""`
	OverrideForeign bool          `help:"Go on although an entry that is not ours covers the address."`
}

type reasonCmd struct {
	Reason string `help:"Why; kept in the ledger." required:""`
}

// program is one call of blocker.
type program struct {
	flags          *flags
	getenv         func(string) string
	stdout, stderr io.Writer
	log            *slog.Logger
	screen         terminal.Screen
	busy           *terminal.Progress // nil says nothing
}

// dispatch runs one command and returns its exit code.
func (p *program) dispatch(ctx context.Context, command string, c *cli) (int, error) {
	switch command {
	case "run":
		if c.Run.Schedule != "" {
			return p.schedule(ctx, c.Run)
		}
		if c.Run.Admin != "" {
			return exitUsage, usagef("--admin needs --schedule: a single run serves nothing")
		}
		return p.runOnce(ctx, c.Run)
	case "plan":
		return p.plan(ctx, c.Plan)
	case "apply <file>":
		return p.apply(ctx, c.Apply)
	case "status":
		return p.status(ctx, c.Status)
	case "explain", "explain <address>":
		return p.explain(ctx, c.Explain)
	case "block", "block <address>":
		return p.block(ctx, c.Block)
	case "unblock <address>":
		return p.unblock(ctx, c.Unblock)
	case "stop":
		return p.stop(ctx, c.Stop.Reason)
	case "start":
		return p.start(ctx, c.Start.Reason)
	case "purge":
		return p.purge(ctx, c.Purge.Reason)
	case "suggest":
		return p.suggest(ctx, c.Suggest)
	case "backtest":
		return p.backtest(ctx, c.Backtest)
	case "check":
		return p.check(ctx)
	case "rules test <file>":
		return p.testRules(ctx, c.RuleFiles.Test.File)
	case "notify test":
		return p.notifyTest(ctx)
	case "audit verify":
		return p.auditVerify(ctx, c.Audit.Verify)
	case "audit show":
		return p.auditShow(ctx, c.Audit.Show)
	case "completion <shell>":
		return p.completion(c.Completion.Shell)
	case "version":
		fmt.Fprintln(p.stdout, version())
		return exitOK, nil
	}
	return exitUsage, usagef("unknown command %q", command)
}
