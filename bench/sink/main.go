// sink is a counting stand-in for Cloud Logging in a process of its own. It
// answers WriteLogEntries, counts entries without decoding them, and prints the
// counts as JSON when it is told to stop (SIGTERM, SIGINT).
//
//	go run ./sink                     # says msg=listening addr=127.0.0.1:PORT
//	go run ./sink -until 1200000      # says msg=reached at=UNIX_NANOSECONDS when it has answered so many
//	go run ./sink -tls -cert-dir DIR  # with a certificate of its own, written to DIR/tls.crt
//	go run ./sink -decode             # decodes and checks every entry instead: slow
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"edgewarden/bench/internal/cert"
	"edgewarden/bench/internal/sink"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

func run() error {
	o := sink.Options{Reached: func(at time.Time) { fmt.Fprintf(os.Stderr, "msg=reached at=%d\n", at.UnixNano()) }}
	flag.StringVar(&o.Addr, "listen", "127.0.0.1:0", "where to listen")
	flag.Int64Var(&o.Until, "until", 0, "say when this many entries are answered")
	withTLS := flag.Bool("tls", false, "serve TLS")
	certDir := flag.String("cert-dir", ".", "folder for the certificate and its key")
	decode := flag.Bool("decode", false, "decode and check every entry")
	flag.Parse()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if *withTLS {
		p, err := cert.Write(*certDir)
		if err != nil {
			return err
		}
		pair, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			return err
		}
		o.Certificate = &pair
	}
	var check sink.Check
	if *decode {
		o.Entry = check.Entry
	}
	s, err := sink.Listen(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "msg=listening addr=%s tls=%t decode=%t\n", s.Addr(), *withTLS, *decode)
	<-signals
	s.Close()
	out := struct {
		sink.Counts
		Checked *sink.Checked `json:"checked,omitempty"`
	}{Counts: s.Counts()}
	if *decode {
		n := check.Checked()
		out.Checked = &n
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
