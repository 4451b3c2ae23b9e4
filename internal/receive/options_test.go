package receive_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/parse"
	"edgewarden/internal/receive"
)

func TestOptionsThatAreRefused(t *testing.T) {
	ca := newAuthority(t)
	handler := func(receive.Source, time.Time, []parse.Frame) {}
	at := func(addr string, tls bool) []receive.Listener { return []receive.Listener{{Addr: addr, TLS: tls}} }
	files := ca.server(t)
	mutual := files
	mutual.ClientCAFile = ca.file
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		o          receive.Options
	}{
		{"no handler", "no handler", receive.Options{Listeners: at("127.0.0.1:0", false)}},
		{"no address", "no address to listen on", receive.Options{Handler: handler}},
		{"an address without port", `"127.0.0.1": the address must be HOST:PORT`, receive.Options{Handler: handler, Listeners: at("127.0.0.1", false)}},
		{"the whole machine without authentication", "configure a token or a client CA", receive.Options{Handler: handler, Listeners: at(":0", false)}},
		{"a wildcard without authentication", "0.0.0.0:0: anyone", receive.Options{Handler: handler, Listeners: at("0.0.0.0:0", false)}},
		{"TLS alone authenticates nobody", "anyone who reaches", receive.Options{Handler: handler, Listeners: at("0.0.0.0:0", true), TLS: files}},
		{"a plain port where only certificates count", "every line of this port would be refused", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", false), TLS: mutual}},
		{"three tokens", "at most two", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", false), Tokens: [][]byte{{1}, {2}, {3}}}},
		{"an empty token", "empty token", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", false), Tokens: [][]byte{{}}}},
		{"a certificate without key", "belong together", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", true), TLS: receive.TLS{CertFile: "a"}}},
		{"TLS without certificate", "no certificate is given", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", true)}},
		{"a client CA without TLS", "a client CA needs TLS", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", false), TLS: receive.TLS{ClientCAFile: "a"}}},
		{"a certificate that is not there", "nowhere.pem", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", true), TLS: receive.TLS{CertFile: "nowhere.pem", KeyFile: "nowhere.key"}}},
		{"a client CA that holds none", "no PEM certificate", receive.Options{Handler: handler, Listeners: at("127.0.0.1:0", true), TLS: receive.TLS{CertFile: files.CertFile, KeyFile: files.KeyFile, ClientCAFile: broken}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := receive.Listen(c.o)
			if err == nil {
				s.StopAccepting()
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
		})
	}
}

func TestANonLoopbackAddressIsFineWhenLinesAreAuthenticated(t *testing.T) {
	ca := newAuthority(t)
	mutual := ca.server(t)
	mutual.ClientCAFile = ca.file
	handler := func(receive.Source, time.Time, []parse.Frame) {}
	for name, o := range map[string]receive.Options{
		"by a token":             {Listeners: []receive.Listener{{Addr: "0.0.0.0:0"}}, Tokens: [][]byte{[]byte("t")}},
		"by certificates":        {Listeners: []receive.Listener{{Addr: "0.0.0.0:0", TLS: true}}, TLS: mutual},
		"by explicit permission": {Listeners: []receive.Listener{{Addr: "0.0.0.0:0"}}, AllowUnauthenticated: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Handler = handler
			s, err := receive.Listen(o)
			if err != nil {
				t.Fatal(err)
			}
			s.StopAccepting()
		})
	}
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = receive.Listen(receive.Options{Listeners: []receive.Listener{{Addr: "127.0.0.1:0"}, {Addr: l.Addr().String()}},
		Handler: func(receive.Source, time.Time, []parse.Frame) {}})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error %v does not name the address", err)
	}
}
