package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"edgewarden/bench/internal/cert"
	"edgewarden/bench/internal/proc"
)

// profileSeconds is how long the profile is taken. It covers the start of a run,
// and of a full run on a machine of two cores most of it.
const profileSeconds = 5

// takeProfile runs a peer once more and writes a CPU profile. It costs time of the
// process under test, so this run is not among those that are measured.
func (b *bench) takeProfile(p peer) error {
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return err
	}
	done := make(chan error, 1)
	began := false
	plain := p.profiled
	p.start = func(dir, sink string, certs cert.Pair) (*proc.Process, string, error) {
		tested, addr, err := plain(dir, sink, certs)
		if err != nil {
			return nil, "", err
		}
		at, err := tested.SayWithin(proc.Patience, `msg="profiling" addr=(\S+)`)
		if err != nil {
			tested.Kill()
			return nil, "", err
		}
		began = true
		go func() { done <- fetchProfile(at, filepath.Join(b.profile, p.name+".pprof")) }()
		return tested, addr, nil
	}
	p.lines = max(p.lines, profileSeconds*300_000) // or it would be over before the profile
	_, err := b.measure(p, filepath.Join(b.dir, p.name+"-profile"))
	if err != nil || !began {
		return err
	}
	return <-done
}

func fetchProfile(addr, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), profileSeconds*time.Second+proc.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", addr, profileSeconds), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET the profile: %s", resp.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
