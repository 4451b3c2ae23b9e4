package main

import (
	"fmt"
	"io"

	commandline "edgewarden/internal/cli"
)

// examples teach each command in its --help; a test parses every one.
var examples = map[string][]string{
	"": {
		`blocker --rules rules.yaml --lake ./data/lake --dry-run`,
		`blocker --config edgewarden.yaml --dry-run --json`,
		`blocker --config edgewarden.yaml --schedule "*/5 * * * *"`,
		`blocker status --config edgewarden.yaml`,
		`blocker explain 203.0.113.9 --config edgewarden.yaml`,
		`blocker block 203.0.113.9 --for 1h --reason "credential stuffing, case 4711" --config edgewarden.yaml`,
		`blocker unblock 203.0.113.9 --reason "office behind one address" --config edgewarden.yaml`,
		`blocker stop --reason "customers report 403" --config edgewarden.yaml`,
	},
	"run": {
		`blocker run --config edgewarden.yaml --dry-run`,
		`blocker run --config edgewarden.yaml --schedule "*/5 * * * *" --admin 127.0.0.1:9091`,
		`blocker run --rules rules.yaml --lake ./data/lake --service-id SVC1 --acl edgewarden_1,edgewarden_2`,
	},
	"plan": {
		`blocker plan -o plan.json --config edgewarden.yaml`,
		`blocker plan -o plan.json --config edgewarden.yaml --detailed-exitcode --report plan.html`,
	},
	"apply": {
		`blocker apply plan.json --config edgewarden.yaml`,
		`blocker apply plan.json --config edgewarden.yaml --override too-many-blocks --reason "confirmed attack, case 4711"`,
	},
	"status": {
		`blocker status --config edgewarden.yaml`,
		`blocker status --config edgewarden.yaml --all | grep 203.0.113.`,
		`blocker status --config edgewarden.yaml --report status.html`,
	},
	"explain": {
		`blocker explain 203.0.113.9 --config edgewarden.yaml`,
		`blocker explain --request-id 8f14e45f-ceea-467f --config edgewarden.yaml`,
	},
	"block": {
		`blocker block 203.0.113.9 --for 1h --reason "credential stuffing, case 4711" --config edgewarden.yaml`,
		`blocker block 203.0.113.0/24 2001:db8:1:2::/64 --for 24h --reason "case 4711" --config edgewarden.yaml --dry-run`,
		`blocker block -f addresses.txt --for 6h --reason "list of the abuse desk" --config edgewarden.yaml`,
	},
	"unblock": {
		`blocker unblock 203.0.113.9 --reason "office behind one address" --config edgewarden.yaml`,
		`blocker unblock 203.0.113.9 --exempt 168h --reason "load test this week" --config edgewarden.yaml`,
	},
	"stop": {
		`blocker stop --reason "customers report 403" --config edgewarden.yaml`,
		`blocker stop --reason "customers report 403" --config edgewarden.yaml --service-id SVC1`,
	},
	"start": {
		`blocker start --reason "rule mended" --config edgewarden.yaml`,
		`blocker start --reason "rule mended" --config edgewarden.yaml --dry-run`,
	},
	"purge": {
		`blocker purge --reason "moving to another service" --config edgewarden.yaml --dry-run`,
		`blocker purge --reason "moving to another service" --config edgewarden.yaml`,
	},
	"backtest": {
		`blocker backtest --since 14d --config edgewarden.yaml`,
		`blocker backtest --since 24h --rules rules.yaml --lake ./data/lake --json`,
	},
	"suggest": {
		`blocker suggest --since 7d --config edgewarden.yaml`,
		`blocker suggest --since 24h --rules rules.yaml --lake ./data/lake --json`,
	},
	"check": {
		`blocker check --config edgewarden.yaml`,
		`blocker check --config edgewarden.yaml --json`,
	},
	"rules test": {
		`blocker rules test tests.yaml --rules rules.yaml`,
		`blocker rules test tests.yaml --config edgewarden.yaml`,
	},
	"notify test": {
		`blocker notify test --config edgewarden.yaml`,
		`blocker notify test --config edgewarden.yaml --dry-run`,
	},
	"audit verify": {
		`blocker audit verify --ledger ledger.jsonl`,
		`blocker audit verify --config edgewarden.yaml --json`,
	},
	"audit show": {
		`blocker audit show --ip 203.0.113.9 --config edgewarden.yaml`,
		`blocker audit show --since 24h --ledger ledger.jsonl --json`,
	},
	"completion": {
		`source <(blocker completion bash)`,
		`blocker completion fish | source`,
	},
}

// completion prints the completion script of a shell.
func (p *program) completion(shell string) (int, error) {
	parser, err := newParser(&cli{}, io.Discard, io.Discard)
	if err != nil {
		return exitFailed, err
	}
	script, err := commandline.Completion(parser.Model, shell)
	if err != nil {
		return exitUsage, usageError{err}
	}
	_, err = fmt.Fprint(p.stdout, script)
	return exitOK, err
}
