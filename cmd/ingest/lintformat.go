package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"edgewarden/internal/logformat"
	"edgewarden/internal/plain"
)

type lintFormatCmd struct {
	File string `arg:"" help:"File with the log format as it stands in the format field of a logging endpoint; - for standard input."`
	JSON bool   `name:"json" help:"Print one JSON object instead of text."`
}

// maxShown bytes of a reason or a fix are printed; a fix repeats an expression three times.
const maxShown = 2000

// maxFormat is far above what Fastly takes; more is some other file.
const maxFormat = 64 << 10

func (c *lintFormatCmd) run(_ context.Context, p *program) error {
	format, err := c.read()
	if err != nil {
		return err
	}
	findings := logformat.Lint(format)
	if err := c.print(p.stdout, findings); err != nil {
		return err
	}
	if len(findings) > 0 {
		return errFindings
	}
	return nil
}

func (c *lintFormatCmd) read() (string, error) {
	in := os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return "", usageError{fmt.Errorf("opening the log format: %w", err)}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFormat+1))
	if err != nil {
		return "", fmt.Errorf("reading the log format: %w", err)
	}
	if len(b) > maxFormat {
		return "", usageError{errors.New(c.File + " is over 64 KiB: Fastly takes 8,000 characters, so this is no log format")}
	}
	return string(b), nil
}

func (c *lintFormatCmd) print(out io.Writer, findings []logformat.Finding) error {
	if c.JSON {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Findings []logformat.Finding `json:"findings"`
		}{append([]logformat.Finding{}, findings...)})
	}
	for _, f := range findings {
		// The file may be anybody's, and a terminal obeys what it is shown.
		_, err := fmt.Fprintf(out, "%s:%d:%d: %s: %s\n\tfix: %s\n", plain.Text(c.File, maxShown), f.Line, f.Column, f.Code, plain.Text(f.Why, maxShown), plain.Text(f.Fix, maxShown))
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d findings\n", len(findings))
	return err
}
