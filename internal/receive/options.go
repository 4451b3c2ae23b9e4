package receive

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edgewarden/internal/parse"
)

// ErrOptions is wrapped by every error that says what is wrong with [Options].
var ErrOptions = errors.New("configuring receiver")

// Defaults of [Options].
const (
	DefaultHandshakeTimeout  = 10 * time.Second
	DefaultMaxConns          = 4096
	DefaultMaxConnsPerSource = 256
)

// Handler takes the frames one read of a connection completed. Frames and
// their lines are valid until it returns. It is called from one goroutine per
// connection, at the same time for different connections; it must not block on
// anything slower than a local disk. Frames it cannot keep are reported with
// [Server.Drop].
type Handler func(src Source, received time.Time, frames []parse.Frame)

// Source says where frames come from.
type Source struct {
	Conn     uint64         // number of the connection in this process, from 1
	Remote   netip.AddrPort // the sender; behind a listed proxy, the address the proxy names
	Verified bool           // the connection presented a certificate signed by the client CA
	// Sender groups connections that share limits: the address, an IPv6 one as its
	// /64, after the first name of a verified client certificate and "@". Fastly
	// presents one certificate from all its nodes, so the name alone would be all
	// of them.
	Sender string
}

// Listener is one address to listen on.
type Listener struct {
	Addr string // "127.0.0.1:6514"; an empty host is every address of the machine
	TLS  bool
}

// TLS names the files of the server's certificate. They are read again when
// they change; a pair that cannot be read leaves the one before it in use.
type TLS struct {
	CertFile string // PEM chain
	KeyFile  string // PEM key
	// ClientCAFile holds the PEM certificates that sign client certificates. When
	// set, a client certificate is required, unless a token would do instead; then
	// it is checked when it is presented.
	ClientCAFile string
	// ClientNames pins client certificates: one of the DNS, URI, mail or IP names of
	// the certificate, or "sha256:" and the hex SHA-256 of its DER bytes. Empty
	// accepts every certificate that ClientCAFile signed.
	ClientNames []string
}

// Options configure a [Server].
type Options struct {
	Listeners []Listener // at least one
	TLS       TLS        // needed when a listener has TLS set
	Tokens    [][]byte   // at most two, so that a token can be rotated
	// AllowUnauthenticated lets the server listen on a non-loopback address although
	// nothing authenticates its lines.
	AllowUnauthenticated bool

	MaxLine           int           // bytes kept of a line; 0 means the framer's default
	MaxConns          int           // connections at the same time; 0 means DefaultMaxConns
	MaxConnsPerSource int           // the same per source address; 0 means DefaultMaxConnsPerSource
	HandshakeTimeout  time.Duration // for the PROXY header and TLS; 0 means DefaultHandshakeTimeout
	// ProxyFrom lists the proxies whose connections begin with a PROXY protocol
	// header (version 1 or 2). From them the header is required; from anyone else
	// it is not looked for. Empty: no proxies.
	ProxyFrom []netip.Prefix
	// Expected says whether lines are expected from a source; nil expects all. What
	// comes from elsewhere is counted. It is refused only where neither a token nor
	// a client CA tells who writes: a list of addresses gets old, and an old list
	// must not silence a sender that proves who it is. It is asked once a connection.
	Expected func(netip.Addr) bool
	// MaxAge ends a connection that is older, for the sake of a load balancer that
	// places new connections only; up to a tenth is taken off at random, so that
	// they do not all come back at once. 0 means never.
	MaxAge time.Duration
	// Refused is told of every refusal as it is counted: of a connection (lines is
	// 0) or of lines. It is called on the way of the lines and must be quick; nil
	// is not called.
	Refused func(reason, remote string, lines int)

	Handler    Handler               // required
	Logger     *slog.Logger          // nil is silent
	Registerer prometheus.Registerer // nil registers nothing
}

// authenticated says whether anything authenticates lines of l.
func (o *Options) authenticated(l Listener) bool {
	return len(o.Tokens) > 0 || l.TLS && o.TLS.ClientCAFile != ""
}

// validate returns all problems, joined, and fills in defaults.
func (o *Options) validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Handler == nil {
		add("no handler")
	}
	if len(o.Listeners) == 0 {
		add("no address to listen on")
	}
	if len(o.Tokens) > 2 {
		add("%d tokens: at most two are accepted at the same time (the present one and the next)", len(o.Tokens))
	}
	for _, t := range o.Tokens {
		if len(t) == 0 {
			add("an empty token would match every line")
		}
	}
	if (o.TLS.CertFile == "") != (o.TLS.KeyFile == "") {
		add("a TLS certificate and its key belong together; one of them is missing")
	}
	if o.TLS.ClientCAFile != "" && o.TLS.CertFile == "" {
		add("a client CA needs TLS: give a certificate and a key as well")
	}
	for _, l := range o.Listeners {
		problems = append(problems, o.validateListener(l)...)
	}
	if o.MaxConns == 0 {
		o.MaxConns = DefaultMaxConns
	}
	if o.MaxConnsPerSource == 0 {
		o.MaxConnsPerSource = DefaultMaxConnsPerSource
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if o.MaxConns < 0 || o.MaxConnsPerSource < 0 || o.HandshakeTimeout < 0 || o.MaxLine < 0 || o.MaxAge < 0 {
		add("limits must not be negative")
	}
	return errors.Join(problems...)
}

func (o *Options) validateListener(l Listener) []error {
	var problems []error
	if l.TLS && o.TLS.CertFile == "" {
		problems = append(problems, fmt.Errorf("listen on %s with TLS: no certificate is given", l.Addr))
	}
	host, _, err := net.SplitHostPort(l.Addr)
	if err != nil {
		return append(problems, fmt.Errorf("listen on %q: the address must be HOST:PORT: %w", l.Addr, err))
	}
	if o.authenticated(l) {
		return problems
	}
	if !l.TLS && o.TLS.ClientCAFile != "" {
		return append(problems, fmt.Errorf("listen on %s without TLS: a client CA is configured and no token, so every line of this port would be refused", l.Addr))
	}
	if !loopback(host) && !o.AllowUnauthenticated {
		problems = append(problems, fmt.Errorf("listen on %s: anyone who reaches this address could write log lines and have addresses blocked; "+
			"configure a token or a client CA, listen on a loopback address, or allow unauthenticated senders explicitly (--allow-unauthenticated)", l.Addr))
	}
	return problems
}

// loopback says whether host can only be reached from this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
