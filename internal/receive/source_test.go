package receive_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"edgewarden/internal/receive"
)

// behind is a PROXY header that names the sender.
func behind(t *testing.T, sender string) string {
	t.Helper()
	var b bytes.Buffer
	from, to := &net.TCPAddr{IP: net.ParseIP(sender), Port: 4711}, &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 6514}
	if strings.Contains(sender, ":") {
		to.IP = net.ParseIP("2001:db8::1")
	}
	if _, err := proxyproto.HeaderProxyFromAddrs(2, from, to).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// expected is a list of ranges that is out of date: the sender has moved.
func expected(a netip.Addr) bool { return netip.MustParsePrefix("192.0.2.0/24").Contains(a) }

func TestAnUnexpectedSource(t *testing.T) {
	t.Run("is counted and kept where a token authenticates", func(t *testing.T) {
		h := open(t, receive.Options{ProxyFrom: loopback, Expected: expected, Tokens: [][]byte{[]byte("good-token")}})
		send(t, h.dial(t), behind(t, "203.0.113.9")+"good-token<134>2031-05-06T07:08:09Z a b[1]: m\nno token\n")
		send(t, h.dial(t), behind(t, "192.0.2.7")+"good-token<134>2031-05-06T07:08:09Z a b[1]: m\n")
		h.wait(t, 2)
		eventually(t, "three lines", func() bool { return h.Stats().Received == 3 })
		if s := h.Stats(); s.Foreign != 2 || s.Dropped[receive.DropAuth] != 1 || h.metric("edgewarden_ingest_foreign_source_connections_total") != 1 {
			t.Errorf("stats %+v, %v foreign connections", s, h.metric("edgewarden_ingest_foreign_source_connections_total"))
		}
	})
	t.Run("is counted and kept where a client CA authenticates", func(t *testing.T) {
		ca := newAuthority(t)
		o := ca.server(t)
		o.ClientCAFile = ca.file
		h := open(t, receive.Options{ProxyFrom: loopback, Expected: expected, Listeners: tlsListener(), TLS: o})
		c := h.dial(t)
		send(t, c, behind(t, "203.0.113.9"))
		send(t, tls.Client(c, ca.client(ca.issue(t, "fastly.example", 3))), "m\n")
		if l := h.wait(t, 1); h.Stats().Foreign != 1 || l[0].src.Sender != "fastly.example@203.0.113.9" {
			t.Errorf("stats %+v, sender %q", h.Stats(), l[0].src.Sender)
		}
	})
	t.Run("is refused where nothing else tells who writes", func(t *testing.T) {
		h := open(t, receive.Options{ProxyFrom: loopback, Expected: expected})
		c := h.dial(t)
		send(t, c, behind(t, "203.0.113.9"))
		closed(t, c)
		send(t, h.dial(t), behind(t, "192.0.2.7")+"m\n")
		h.wait(t, 1)
		if h.rejected("source_not_allowed") != 1 || h.Stats().Foreign != 0 {
			t.Errorf("rejected %v, stats %+v", h.rejected("source_not_allowed"), h.Stats())
		}
	})
}

func TestASenderIsAnAddressOrASubnet(t *testing.T) {
	h := open(t, receive.Options{ProxyFrom: loopback})
	for i, c := range []struct{ from, want string }{
		{"203.0.113.9", "203.0.113.9"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::99", "2001:db8:1:2::/64"},
	} {
		send(t, h.dial(t), behind(t, c.from)+"m\n")
		if l := h.wait(t, i+1)[i]; l.src.Sender != c.want {
			t.Errorf("sender of %s is %q, want %q", c.from, l.src.Sender, c.want)
		}
	}
}
