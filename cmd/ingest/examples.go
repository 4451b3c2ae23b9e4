package main

import (
	"context"
	"fmt"

	"github.com/alecthomas/kong"

	commandline "edgewarden/internal/cli"
)

// examples teach each command in its --help; a test parses every one.
var examples = map[string][]string{
	"serve": {
		`ingest serve --spool ./data/spool`,
		`ingest serve --spool /var/lib/edgewarden/spool --listen 0.0.0.0:6514 --tls-cert tls.crt --tls-key tls.key --token-file token --project my-project --log-id fastly`,
		`ingest serve --config edgewarden.yaml`,
	},
	"import": {
		`ingest import access.log.gz --lake ./data/lake`,
		`ingest import january.log february.log --lake ./data/lake --service-id SVC1`,
	},
	"spool verify": {
		`ingest spool verify --spool ./data/spool`,
		`ingest spool verify --spool /var/lib/edgewarden/spool && echo whole`,
	},
	"spool stats": {
		`ingest spool stats --spool ./data/spool`,
		`ingest spool stats --spool /var/lib/edgewarden/spool`,
	},
	"spool dump": {
		`ingest spool dump --spool ./data/spool`,
		`ingest spool dump --spool ./data/spool | jq -r .line`,
	},
	"spool replay": {
		`ingest spool replay --spool ./data/spool --project my-project --log-id fastly`,
		`ingest spool replay --spool ./data/spool --project my-project --log-id fastly --logging-endpoint 127.0.0.1:8085 --logging-insecure`,
	},
	"logformat": {
		`ingest logformat`,
		`ingest logformat --vcl edgewarden`,
	},
	"fastly-setup": {
		`ingest fastly-setup --service-id SVC1 --address logs.example.com:6514`,
		`ingest fastly-setup --service-id SVC1 --address logs.example.com:6514 --only terraform`,
	},
	"lint-format": {
		`ingest lint-format format.txt`,
		`ingest lint-format format.txt || echo "look at the findings"`,
	},
	"completion": {
		`source <(ingest completion bash)`,
		`ingest completion fish | source`,
	},
}

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// run prints the completion script of a shell.
func (c *completionCmd) run(_ context.Context, p *program) error {
	k, err := kong.New(&cli{}, kong.Name("ingest"))
	if err != nil {
		return fmt.Errorf("building the command line: bug: %w", err)
	}
	script, err := commandline.Completion(k.Model, c.Shell)
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprint(p.stdout, script)
	return err
}
