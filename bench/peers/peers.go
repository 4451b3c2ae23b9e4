package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"edgewarden/bench/internal/cert"
	"edgewarden/bench/internal/proc"
)

// Names of the peers.
const (
	ingestName    = "ingest"
	ingestTLSName = "ingest-tls"
	otelcolName   = "otelcol"
)

// build builds what is to run and lists the peers.
func (b *bench) build() (peers []peer, err error) {
	for path, pkg := range map[string]string{b.sinkPath: "./sink", b.loadPath: "./load"} {
		if err := proc.Build("bench", pkg, path); err != nil {
			return nil, err
		}
	}
	if b.ingest || b.tls {
		if peers, err = b.ingests(); err != nil {
			return nil, err
		}
	}
	if b.otel {
		p, err := b.otelcol()
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// ingests builds ingest and lists the ways in which it is measured.
func (b *bench) ingests() (peers []peer, err error) {
	path, err := proc.BuildIngest(b.ingestPath, b.dir)
	if err != nil {
		return nil, err
	}
	out, err := exec.Command(path, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("ask ingest for its version: %w", err)
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	for _, p := range []struct {
		name      string
		want, tls bool
	}{{ingestName, b.ingest, false}, {ingestTLSName, b.tls, true}} {
		if p.want {
			peers = append(peers, peer{p.name, version, b.lines, p.tls, b.startIngest(path), b.startIngest(path, "--profile", "127.0.0.1:0")})
		}
	}
	return peers, nil
}

func (b *bench) startIngest(path string, more ...string) start {
	return func(dir, sink string, certs cert.Pair) (*proc.Process, string, error) {
		o := proc.IngestOptions{Path: path, Spool: filepath.Join(dir, "spool"), Sink: sink,
			Args: append([]string{"--heartbeat-every", "1h"}, append(strings.Fields(b.ingestEx), more...)...)}
		o.CertFile, o.KeyFile, o.SinkCA = certs.CertFile, certs.KeyFile, certs.CertFile
		i, err := proc.StartIngest(o)
		if err != nil {
			return nil, "", err
		}
		return i.Process, i.Addr, nil
	}
}

// otelcol builds the collector.
func (b *bench) otelcol() (p peer, err error) {
	path := b.otelPath
	if path == "" {
		path = filepath.Join(b.dir, "otelcol")
		fmt.Fprintln(os.Stderr, "peers: building the collector; the first time takes minutes")
		if err := proc.Build("bench", "otelcol/main.go", path, "-modfile=otelcol/collector.mod"); err != nil {
			return p, err
		}
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return p, err
	}
	version := ""
	for _, d := range info.Deps {
		switch {
		case d.Path == "go.opentelemetry.io/collector/otelcol":
			version = "collector " + d.Version + version
		case strings.HasSuffix(d.Path, "/googlecloudexporter"):
			version += ", contrib " + d.Version
		case strings.HasSuffix(d.Path, "/pkg/stanza") && d.Replace != nil:
			version += ", stanza " + d.Replace.Version
		}
	}
	lines := b.otelLines
	if lines == 0 {
		lines = b.lines
	}
	return peer{otelcolName, strings.TrimPrefix(version, ", "), lines, false, startOtelcol(path), nil}, nil
}

func startOtelcol(path string) start {
	return func(dir, sink string, _ cert.Pair) (*proc.Process, string, error) {
		root, err := proc.Root()
		if err != nil {
			return nil, "", err
		}
		text, err := os.ReadFile(filepath.Join(root, "bench", "otelcol", "config.yaml"))
		if err != nil {
			return nil, "", err
		}
		addr, err := freePort()
		if err != nil {
			return nil, "", err
		}
		config, queue := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "queue")
		filled := strings.NewReplacer("LISTEN", addr, "SINK", sink, "QUEUE", queue).Replace(string(text))
		if err := os.WriteFile(config, []byte(filled), 0o600); err != nil {
			return nil, "", err
		}
		if err := os.MkdirAll(queue, 0o700); err != nil {
			return nil, "", err
		}
		p, err := proc.Start(nil, path, "--config", config)
		if err != nil {
			return nil, "", err
		}
		if err := listens(p, addr); err != nil {
			p.Kill()
			return nil, "", err
		}
		return p, addr, nil
	}
}

// freePort is an address nobody listens on now; the collector cannot say which
// one it took.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// listens waits until somebody accepts connections at addr.
func listens(p *proc.Process, addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), proc.Patience)
	defer cancel()
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("nobody listens on %s: %w:\n%s", addr, err, p.Stderr)
		case <-p.Done():
			return fmt.Errorf("the program ended:\n%s", p.Stderr)
		}
	}
}
