package main

import (
	"net/netip"
	"strings"

	"edgewarden/internal/parse"
	"edgewarden/internal/receive"
)

type frame = parse.Frame

// receiver turns flags into the receiver's options.
func (c *serveCmd) receiver(tokens [][]byte) (receive.Options, error) {
	o := receive.Options{
		TLS:    receive.TLS{CertFile: c.TLSCert, KeyFile: c.TLSKey, ClientCAFile: c.ClientCA, ClientNames: c.ClientName},
		Tokens: tokens, AllowUnauthenticated: c.AllowUnauthenticated,
		MaxLine: c.MaxLine, MaxConns: c.MaxConnections, MaxConnsPerSource: c.MaxConnectionsPerSource, HandshakeTimeout: c.HandshakeTimeout,
		MaxAge: c.MaxConnectionAge,
	}
	for _, l := range c.Listen {
		o.Listeners = append(o.Listeners, c.listener(l))
	}
	for _, s := range c.ProxyFrom {
		p, err := prefix(s)
		if err != nil {
			return o, usagef("--proxy-from %s: want an address or a CIDR: %w", s, err)
		}
		o.ProxyFrom = append(o.ProxyFrom, p)
	}
	return o, nil
}

// listener reads one --listen: with a certificate a port speaks TLS, unless it
// says tcp:// before the address.
func (c *serveCmd) listener(s string) receive.Listener {
	if addr, ok := strings.CutPrefix(s, "tcp://"); ok {
		return receive.Listener{Addr: addr}
	}
	if addr, ok := strings.CutPrefix(s, "tls://"); ok {
		return receive.Listener{Addr: addr, TLS: true}
	}
	return receive.Listener{Addr: s, TLS: c.TLSCert != ""}
}

func prefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}
