package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	edge "edgewarden/deploy/fastly"
	terraform "edgewarden/deploy/terraform/fastly"
)

type fastlySetupCmd struct {
	ServiceID string `name:"service-id" required:"" placeholder:"ID" help:"Fastly service that shall log to ingest and ask edgewarden's lists."`
	Address   string `required:"" placeholder:"HOST:PORT" help:"Where Fastly reaches ingest: a host name or an IPv4 address. It must speak TLS there."`
	TokenFile string `placeholder:"FILE" help:"File whose first line is the token that ingest expects. The token itself is never printed: the API calls read the file, or without this flag the variable EDGEWARDEN_TOKEN."`
	Endpoint  string `default:"edgewarden" placeholder:"NAME" help:"Name of the logging endpoint."`
	Contact   string `default:"support@example.com" placeholder:"TEXT" help:"What the block page tells a customer to write to."`
	TLSCA     string `name:"tls-ca" placeholder:"FILE" help:"PEM certificate that signs ingest's certificate, when no public authority does."`
	Only      string `enum:"all,format,vcl,terraform,api" default:"all" help:"Print one part: format, vcl, terraform or api."`
	Dir       string `placeholder:"DIR" help:"Write the parts as files into this folder instead."`
}

//go:embed fastlysetup.sh.tmpl
var apiCalls string

// part is one file of the setup.
type part struct{ group, name, content string }

func (c *fastlySetupCmd) run(_ context.Context, p *program) error {
	parts, err := c.parts()
	if err != nil {
		return err
	}
	if c.Dir != "" {
		return c.write(p, parts)
	}
	for _, f := range parts {
		if c.Only != "all" && c.Only != f.group {
			continue
		}
		if c.Only == "all" || c.Only == "vcl" || c.Only == "terraform" {
			fmt.Fprintf(p.stdout, "# ---- %s ----\n", f.name)
		}
		if _, err := fmt.Fprintln(p.stdout, strings.TrimRight(f.content, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// parts makes the files, each with the path it has under --dir.
func (c *fastlySetupCmd) parts() ([]part, error) {
	host, port, err := c.check()
	if err != nil {
		return nil, err
	}
	all := []part{
		{"format", "fastly/log.format", edge.Format},
		{"vcl", "fastly/recv.vcl", edge.Recv},
		{"vcl", "fastly/error.vcl", edge.Error(c.Contact)},
	}
	files, err := fs.Glob(terraform.Files, "*.tf")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		b, err := terraform.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, part{"terraform", "terraform/fastly/" + name, string(b)})
	}
	script, err := c.script(host, port)
	if err != nil {
		return nil, err
	}
	return append(all, part{"terraform", "terraform/fastly/terraform.tfvars", c.tfvars(host, port)}, part{"api", "fastly-api.sh", script}), nil
}

var (
	isServiceID = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	isHost      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	isEndpoint  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	isContact   = regexp.MustCompile(`^[^"\\{}%\x00-\x1f\x7f]{1,200}$`) // what a VCL string can hold as it stands
)

// check refuses whatever could mean something else in VCL, HCL or a shell.
func (c *fastlySetupCmd) check() (host, port string, err error) {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !isServiceID.MatchString(c.ServiceID) {
		bad("--service-id %q is no Fastly service id: letters and digits", c.ServiceID)
	}
	host, port, splitErr := net.SplitHostPort(c.Address)
	n, portErr := strconv.Atoi(port)
	switch {
	case splitErr != nil:
		bad("--address %q is not HOST:PORT", c.Address)
	case strings.Contains(host, ":"):
		bad("--address %q: Fastly takes a host name or an IPv4 address, no IPv6 address", c.Address)
	case !isHost.MatchString(host):
		bad("--address %q has no host that Fastly could reach", c.Address)
	case portErr != nil || n < 1 || n > 65535:
		bad("--address %q: the port is a number from 1 to 65535", c.Address)
	}
	if !isEndpoint.MatchString(c.Endpoint) {
		bad("--endpoint %q: letters, digits, dots, dashes and underscores", c.Endpoint)
	}
	if !isContact.MatchString(c.Contact) {
		bad("--contact %q: no quotes, braces, backslashes or percent signs, they mean something in VCL", c.Contact)
	}
	if err := c.checkFiles(); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return "", "", usageError{errors.Join(problems...)}
	}
	return host, port, nil
}

// checkFiles looks at the files that the API calls will read. It says nothing of what is in the token file.
func (c *fastlySetupCmd) checkFiles() error {
	if c.TokenFile != "" {
		b, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return fmt.Errorf("reading --token-file: %w", err)
		}
		first, _, _ := bytes.Cut(b, []byte("\n"))
		if !regexp.MustCompile(`^[!-~]{16,}\r?$`).Match(first) {
			return errors.New("--token-file " + c.TokenFile + ": its first line must be the token, at least 16 printable ASCII characters without spaces")
		}
	}
	if c.TLSCA != "" {
		b, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return fmt.Errorf("reading --tls-ca: %w", err)
		}
		if !bytes.Contains(b, []byte("-----BEGIN CERTIFICATE-----")) || bytes.Contains(b, []byte("PRIVATE KEY-----")) {
			return errors.New("--tls-ca " + c.TLSCA + " must hold a PEM certificate and no key: Fastly is given all of it")
		}
	}
	return nil
}

// script fills the API calls in.
func (c *fastlySetupCmd) script(host, port string) (string, error) {
	t, err := template.New("api").Funcs(template.FuncMap{"sh": shellQuote}).Parse(apiCalls)
	if err != nil {
		return "", fmt.Errorf("reading the API calls: bug: %w", err)
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]any{
		"Service": c.ServiceID, "Host": host, "Port": port, "Endpoint": c.Endpoint, "TokenFile": c.TokenFile, "TLSCA": c.TLSCA, "Priority": edge.Priority,
		"Recv": strings.TrimRight(edge.Recv, "\n"), "Error": strings.TrimRight(edge.Error(c.Contact), "\n"), "Format": edge.Format,
		"DefaultContact": c.Contact == edge.DefaultContact,
	})
	return b.String(), err
}

// shellQuote makes one word of s for any POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// tfvars are the values of this service. HCL strings are quoted as Go's are, for the characters that check lets through.
func (c *fastlySetupCmd) tfvars(host, port string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Service %s. It exists: copy the blocks of main.tf into your own fastly_service_vcl, as main.tf says.\n# The token comes from the variable TF_VAR_log_token.\n", c.ServiceID)
	fmt.Fprintf(&b, "log_address = %s\nlog_port    = %s\ncontact     = %s\n", strconv.Quote(host), port, strconv.Quote(c.Contact))
	if c.TLSCA != "" {
		fmt.Fprintf(&b, "# log_tls_ca_cert: the content of %s\n", strconv.Quote(c.TLSCA))
	}
	return b.String()
}

// write puts the parts into a folder, and replaces none that is there and differs.
func (c *fastlySetupCmd) write(p *program, parts []part) error {
	for _, f := range parts {
		if c.Only != "all" && c.Only != f.group {
			continue
		}
		path := filepath.Join(c.Dir, filepath.FromSlash(f.name))
		if old, err := os.ReadFile(path); err == nil && string(old) != f.content {
			return fmt.Errorf("writing %s: it is there and differs: move it away first", path)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		mode := fs.FileMode(0o644)
		if f.group == "api" {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(f.content), mode); err != nil {
			return fmt.Errorf("writing the setup: %w", err)
		}
		if _, err := fmt.Fprintln(p.stdout, path); err != nil {
			return err
		}
	}
	return nil
}
