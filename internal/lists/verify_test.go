package lists_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edgewarden/internal/lists"
)

// zone is a name server on a real socket: questions as "PTR 9.113.0.203.in-addr.arpa." or "A name." to answers. A name it
// does not have does not exist; one whose answer is "?" gets no answer at all.
type zone struct {
	conn    net.PacketConn
	mu      sync.Mutex
	records map[string][]string
	asked   map[string]int
}

func newZone(t *testing.T, records map[string][]string) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{conn: conn, records: records, asked: map[string]int{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := z.answer(buf[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from) // the client is gone, nothing to do
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return z
}

func (z *zone) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", z.conn.LocalAddr().String())
	}}
}

// answer makes a reply as RFC 1035 has it.
func (z *zone) answer(q []byte) []byte {
	name, i := "", 12
	for q[i] != 0 {
		n := int(q[i])
		name += string(q[i+1:i+1+n]) + "."
		i += 1 + n
	}
	end := i + 5
	kind := binary.BigEndian.Uint16(q[i+1:])
	key := fmt.Sprintf("%s %s", map[uint16]string{1: "A", 12: "PTR", 28: "AAAA"}[kind], strings.ToLower(name))
	z.mu.Lock()
	z.asked[key]++
	values := z.records[key]
	exists := len(z.records["A "+name])+len(z.records["AAAA "+name])+len(z.records["PTR "+name]) > 0
	z.mu.Unlock()
	if len(values) == 1 && values[0] == "?" {
		return nil
	}
	reply := append([]byte(nil), q[:end]...)
	flags := uint16(0x8180)
	if !exists {
		flags |= 3 // NXDOMAIN
	}
	binary.BigEndian.PutUint16(reply[2:], flags)
	binary.BigEndian.PutUint16(reply[6:], uint16(len(values)))
	binary.BigEndian.PutUint32(reply[8:], 0)
	for _, v := range values {
		var data []byte
		if kind == 12 {
			for _, label := range strings.Split(strings.TrimSuffix(v, "."), ".") {
				data = append(append(data, byte(len(label))), label...)
			}
			data = append(data, 0)
		} else {
			data = netip.MustParseAddr(v).AsSlice()
		}
		reply = append(reply, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 60, byte(len(data)>>8), byte(len(data)))
		reply = append(reply, data...)
	}
	return reply
}

func (z *zone) count(prefix string) (n int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for k, v := range z.asked {
		if strings.HasPrefix(k, prefix) {
			n += v
		}
	}
	return n
}

func ptr(addr string) string {
	a := netip.MustParseAddr(addr)
	if a.Is4() {
		b := a.As4()
		return fmt.Sprintf("PTR %d.%d.%d.%d.in-addr.arpa.", b[3], b[2], b[1], b[0])
	}
	var s strings.Builder
	b := a.As16()
	for i := 15; i >= 0; i-- {
		fmt.Fprintf(&s, "%x.%x.", b[i]&15, b[i]>>4)
	}
	return "PTR " + s.String() + "ip6.arpa."
}

var google = lists.Crawler{Name: "googlebot", Agent: "Googlebot", Domains: []string{"googlebot.com", "google.com"}}

func claim(addr string, agents ...string) lists.Claim {
	return lists.Claim{Address: netip.MustParseAddr(addr), Agents: agents}
}

const agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

func TestACrawlerProvesItselfByNameAndAddress(t *testing.T) {
	many := []string{}
	for i := range 20 {
		many = append(many, fmt.Sprintf("n%d.googlebot.com.", i))
	}
	z := newZone(t, map[string][]string{
		ptr("192.0.2.1"):                   {"crawl-192-0-2-1.googlebot.com."},
		"A crawl-192-0-2-1.googlebot.com.": {"192.0.2.1"},
		ptr("2001:db8::1"):                 {"crawl-6.googlebot.com."},
		"AAAA crawl-6.googlebot.com.":      {"2001:db8::1"},
		ptr("192.0.2.2"):                   {"crawl-192-0-2-1.googlebot.com."}, // a liar: the name is not his
		ptr("192.0.2.3"):                   {"googlebot.com.evil.example."},
		"A googlebot.com.evil.example.":    {"192.0.2.3"},
		ptr("192.0.2.4"):                   {"notgooglebot.com."},
		"A notgooglebot.com.":              {"192.0.2.4"},
		ptr("192.0.2.5"):                   many,
	})
	for _, c := range []struct {
		name  string
		claim lists.Claim
		want  string
	}{
		{"name and address agree", claim("192.0.2.1", "curl", agent), "googlebot, by its name crawl-192-0-2-1.googlebot.com"},
		{"the agent in other letters", claim("192.0.2.1", strings.ToUpper(agent)), "googlebot, by its name crawl-192-0-2-1.googlebot.com"},
		{"an IPv4-mapped address", claim("::ffff:192.0.2.1", agent), "googlebot, by its name crawl-192-0-2-1.googlebot.com"},
		{"IPv6", claim("2001:db8::1", agent), "googlebot, by its name crawl-6.googlebot.com"},
		{"the name has another address", claim("192.0.2.2", agent), ""},
		{"the domain stands in the middle", claim("192.0.2.3", agent), ""},
		{"the domain is the end of another", claim("192.0.2.4", agent), ""},
		{"twenty names, none with the address", claim("192.0.2.5", agent), ""},
		{"no name at all", claim("192.0.2.6", agent), ""},
		{"it does not say that it is a crawler", claim("192.0.2.1", "Mozilla/5.0"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, faults := lists.Verify(t.Context(), lists.VerifyOptions{Crawlers: []lists.Crawler{google}, Resolver: z.resolver(), Now: now}, []lists.Claim{c.claim})
			if len(faults) > 0 {
				t.Errorf("warnings: %v", faults)
			}
			a := c.claim.Address.Unmap()
			e, ok := got.Covers(netip.PrefixFrom(a, a.BitLen()), now)
			if ok != (c.want != "") || e.Reason != c.want {
				t.Errorf("got %q, want %q", e.Reason, c.want)
			}
		})
	}
	if n := z.count("A n"); n > 4 {
		t.Errorf("%d of twenty names were tried: an attacker decides how many there are", n)
	}
	if n := z.count("A notgooglebot"); n > 0 {
		t.Error("a name outside the domains was looked up")
	}
}

func TestLookUpsAreBounded(t *testing.T) {
	z := newZone(t, map[string][]string{})
	var claims []lists.Claim
	for i := range 80 {
		claims = append(claims, claim(fmt.Sprintf("192.0.2.%d", i), agent), claim(fmt.Sprintf("192.0.2.%d", i), agent))
	}
	_, faults := lists.Verify(t.Context(), lists.VerifyOptions{Crawlers: []lists.Crawler{google}, Resolver: z.resolver(), Max: 30, Now: now}, claims)
	if len(faults) != 1 || !strings.Contains(faults[0].Error(), "50 addresses more than the 30") {
		t.Errorf("warnings: %v", faults)
	}
	if n := z.count("PTR"); n != 30 {
		t.Errorf("%d look-ups, want 30", n)
	}
	known := lists.New(lists.Entry{Prefix: p("192.0.2.0/24"), List: lists.Crawlers, Reason: "published"})
	lists.Verify(t.Context(), lists.VerifyOptions{Crawlers: []lists.Crawler{google}, Resolver: z.resolver(), Known: known, Now: now}, claims)
	if n := z.count("PTR"); n != 30 {
		t.Error("what published ranges cover was looked up")
	}
	lists.Verify(t.Context(), lists.VerifyOptions{Crawlers: []lists.Crawler{{Name: "googlebot"}}, Resolver: z.resolver(), Now: now}, claims)
	if n := z.count("PTR"); n != 30 {
		t.Error("a crawler without domains was looked up")
	}
}

func TestANameServerThatNeverAnswersIsNoShield(t *testing.T) {
	z := newZone(t, map[string][]string{ptr("192.0.2.1"): {"?"}})
	begin := time.Now()
	got, faults := lists.Verify(t.Context(), lists.VerifyOptions{Crawlers: []lists.Crawler{google}, Resolver: z.resolver(), CacheDir: t.TempDir(),
		Timeout: 100 * time.Millisecond, Now: now}, []lists.Claim{claim("192.0.2.1", agent)})
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(got.Entries()) > 0 || len(faults) != 1 || !strings.Contains(faults[0].Error(), "1 of 1 look-ups had no answer") {
		t.Errorf("got %v, %v", got.Entries(), faults)
	}
}

func TestAnswersAreKeptProofsLongerThanDenials(t *testing.T) {
	z := newZone(t, map[string][]string{
		ptr("192.0.2.1"):         {"crawl.googlebot.com."},
		"A crawl.googlebot.com.": {"192.0.2.1"},
		ptr("192.0.2.9"):         {"?"},
	})
	dir := filepath.Join(t.TempDir(), "lists")
	verify := func(at time.Time) (int, int) {
		t.Helper()
		before := z.count("PTR")
		got, _ := lists.Verify(t.Context(), lists.VerifyOptions{Crawlers: []lists.Crawler{google}, Resolver: z.resolver(), CacheDir: dir, Now: at, Timeout: 300 * time.Millisecond},
			[]lists.Claim{claim("192.0.2.1", agent), claim("192.0.2.2", agent)})
		return len(got.Entries()), z.count("PTR") - before
	}
	for _, step := range []struct {
		after       time.Duration
		found, asks int
	}{{0, 1, 2}, {59 * time.Minute, 1, 0}, {time.Hour, 1, 1}, {24 * time.Hour, 1, 2}} {
		if found, asks := verify(now.Add(step.after)); found != step.found || asks != step.asks {
			t.Errorf("after %s: %d verified with %d look-ups, want %d with %d", step.after, found, asks, step.found, step.asks)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "crawler-names.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, asks := verify(now); found != 1 || asks != 2 {
		t.Errorf("with a damaged file: %d verified with %d look-ups", found, asks)
	}
}

func TestUnion(t *testing.T) {
	s := lists.Union(nil, lists.New(entry("192.0.2.1/32", "a", time.Time{})), lists.New(entry("192.0.2.2/32", "b", time.Time{})))
	if !covered(s, "192.0.2.1/32") || !covered(s, "192.0.2.2/32") || len(s.Entries()) != 2 {
		t.Errorf("got %v", s.Entries())
	}
}
