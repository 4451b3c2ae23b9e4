package receive_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"edgewarden/internal/receive"
)

func TestProxyHeaders(t *testing.T) {
	behind := &net.TCPAddr{IP: net.ParseIP("203.0.113.9"), Port: 4711}
	here := &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 6514}
	header := func(t *testing.T, version byte) string {
		var b bytes.Buffer
		if _, err := proxyproto.HeaderProxyFromAddrs(version, behind, here).WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	listed := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, version := range []byte{1, 2} {
		t.Run(fmt.Sprintf("version %d from a listed proxy names the sender", version), func(t *testing.T) {
			h := open(t, receive.Options{ProxyFrom: listed})
			send(t, h.dial(t), header(t, version)+"one\ntwo\n")
			l := h.wait(t, 2)
			if texts(l) != "one|two" || l[0].src.Remote.String() != "203.0.113.9:4711" {
				t.Errorf("lines %q from %v", texts(l), l[0].src.Remote)
			}
		})
	}
	t.Run("from anyone else it is data", func(t *testing.T) {
		h := open(t, receive.Options{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
		c := h.dial(t)
		send(t, c, header(t, 1)+"one\n")
		l := h.wait(t, 2)
		if !strings.HasPrefix(l[0].text, "PROXY TCP4") || l[0].src.Remote.String() != c.LocalAddr().String() {
			t.Errorf("lines %q from %v, want the peer's own address", texts(l), l[0].src.Remote)
		}
	})
	t.Run("a listed proxy that sends none is refused", func(t *testing.T) {
		h := open(t, receive.Options{ProxyFrom: listed})
		c := h.dial(t)
		send(t, c, "<134>2031-05-06T07:08:09Z cache-a e[1]: hello\n")
		closed(t, c)
		if h.rejected("proxy_header") != 1 || len(h.lines) != 0 {
			t.Errorf("rejected %v, lines %q", h.rejected("proxy_header"), texts(h.lines))
		}
	})
	t.Run("a listed proxy that says nothing is not waited for", func(t *testing.T) {
		h := open(t, receive.Options{ProxyFrom: listed, HandshakeTimeout: 50 * time.Millisecond})
		closed(t, h.dial(t))
	})
	t.Run("TLS goes on behind it", func(t *testing.T) {
		ca := newAuthority(t)
		h := open(t, receive.Options{ProxyFrom: listed, Listeners: []receive.Listener{{Addr: "127.0.0.1:0", TLS: true}}, TLS: ca.server(t)})
		c := h.dial(t)
		send(t, c, header(t, 2))
		send(t, tls.Client(c, ca.client()), "secret\n")
		if l := h.wait(t, 1); texts(l) != "secret" || l[0].src.Remote.Addr() != netip.MustParseAddr("203.0.113.9") {
			t.Errorf("lines %q from %v", texts(l), l[0].src.Remote)
		}
	})
}
