// load sends log lines as Fastly would: some connections, classic syslog lines
// with edgewarden's JSON, about 860 bytes each. At the end it prints what it sent
// as JSON: lines, bytes, when the first write began and the last one ended.
//
//	go run ./load -to 127.0.0.1:6514 -lines 1200000
//	go run ./load -to 127.0.0.1:6514 -rate 20000 -for 10m
//	EDGEWARDEN_TOKEN=… go run ./load -to 127.0.0.1:6514 -lines 1000 -ca tls.crt
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"edgewarden/bench/internal/cert"
	"edgewarden/bench/internal/sender"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() error {
	o := sender.Options{Token: os.Getenv("EDGEWARDEN_TOKEN")}
	flag.StringVar(&o.Addr, "to", "127.0.0.1:6514", "where to send")
	flag.IntVar(&o.Conns, "conns", 4, "connections")
	flag.Int64Var(&o.Lines, "lines", 0, "lines in all; 0 for no end")
	flag.IntVar(&o.Rate, "rate", 0, "lines a second in all; 0 for as fast as they are taken")
	flag.StringVar(&o.Run, "run", "b", "letters that begin every request id")
	duration := flag.Duration("for", 0, "how long to send; 0 for no end")
	ca := flag.String("ca", "", "send over TLS and trust the certificates in this file")
	flag.Parse()

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if *duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	if *ca != "" {
		config, err := cert.Client(*ca)
		if err != nil {
			return err
		}
		o.TLS = config
	}
	s, err := sender.Start(ctx, o)
	if err != nil {
		return err
	}
	r := s.Wait()
	if err := print(r); err != nil {
		return err
	}
	return r.Err
}

func print(r sender.Result) error {
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"lines": r.Lines, "bytes": r.Bytes, "first_ns": r.First.UnixNano(), "last_ns": r.Last.UnixNano(),
		"seconds": r.Last.Sub(r.First).Round(time.Millisecond).Seconds(),
	})
}
