package lists_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edgewarden/internal/lists"
)

// site serves one body that a test can change.
type site struct {
	*httptest.Server
	body   atomic.Value // string
	status atomic.Int64
	asked  atomic.Int64
}

func newSite(t *testing.T, body string) *site {
	t.Helper()
	s := &site{}
	s.body.Store(body)
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if r.Method != http.MethodGet || r.Header.Get("Fastly-Key") != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked by %s, with a secret", r.Method)
		}
		w.WriteHeader(int(s.status.Load()))
		io.WriteString(w, s.body.Load().(string))
	}))
	t.Cleanup(s.Close)
	return s
}

// origins writes the states as "name origin entries".
func origins(s lists.Sources, drop string) string {
	var out []string
	for _, st := range s.States {
		name := st.Name
		if name == drop {
			name = "URL"
		}
		out = append(out, fmt.Sprintf("%s %s %d", name, st.Origin, st.Entries))
	}
	return strings.Join(out, "; ")
}

func covered(s *lists.Set, prefix string) bool {
	_, ok := s.Overlaps(p(prefix), now)
	return ok
}

func TestWithoutOptionsTheBuiltInSetProtects(t *testing.T) {
	got, faults := lists.Load(t.Context(), lists.Options{Now: now})
	if len(faults) > 0 || origins(got, "") != "fastly embedded 21" || got.AllowPartial {
		t.Fatalf("%s, %v", origins(got, ""), faults)
	}
	for _, prefix := range []string{"10.1.2.3/32", "151.101.1.57/32", "2a04:4e42::1/128", "64:ff9b::/64"} {
		if !covered(got.Never, prefix) {
			t.Errorf("%s may be blocked", prefix)
		}
	}
	if got.Allow == nil || got.Crawlers == nil || len(got.Allow.Entries()) > 0 {
		t.Error("the other sets are to be empty, not nil")
	}
	if age := got.States[0].Age(now); age < 5*365*24*time.Hour {
		t.Errorf("the snapshot is said to be %s old", age)
	}
}

func TestFastlysRangesAreRefreshedAndTheLastGoodCopyStays(t *testing.T) {
	const good = `{"addresses":["192.0.2.0/24"],"ipv6_addresses":["2001:db8::/32"]}`
	s := newSite(t, good)
	dir := filepath.Join(t.TempDir(), "lists") // made by Load
	o := lists.Options{FastlyURL: s.URL, CacheDir: dir, Now: now, Client: s.Client()}
	load := func(o lists.Options) (lists.Sources, string) {
		got, faults := lists.Load(t.Context(), o)
		return got, fmt.Sprint(faults)
	}
	got, faults := load(o)
	if faults != "[]" || origins(got, "") != "fastly fresh 2" || !covered(got.Never, "192.0.2.9/32") || !covered(got.Never, "151.101.1.57/32") {
		t.Fatalf("a good answer: %s, %s", origins(got, ""), faults)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "fastly-*.json"))
	if len(files) != 1 {
		t.Fatalf("kept: %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the last good copy: %v, %v", info, err)
	}
	s.status.Store(http.StatusServiceUnavailable)
	o.Now = now.Add(59 * time.Minute)
	if got, faults := load(o); faults != "[]" || s.asked.Load() != 1 || got.States[0].Age(o.Now) != 59*time.Minute {
		t.Errorf("a copy younger than an hour: asked %d times, %s, %s", s.asked.Load(), origins(got, ""), faults)
	}
	o.Now = now.Add(48 * time.Hour)
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"an error":        {http.StatusServiceUnavailable, good},
		"half an answer":  {http.StatusOK, `{"addresses":["192.0.2.0/24"]}`},
		"a torn answer":   {http.StatusOK, good[:20]},
		"a login page":    {http.StatusOK, "<html>"},
		"a flood of text": {http.StatusOK, strings.Repeat(" ", 5<<20)},
	} {
		s.status.Store(int64(answer.status))
		s.body.Store(answer.body)
		got, faults := load(o)
		if origins(got, "") != "fastly kept 2" || got.States[0].String() != "fastly: 2 entries, last good copy of 2031-05-06T12:00:00Z" || !covered(got.Never, "192.0.2.9/32") || !strings.Contains(faults, "last good copy, of 2031-05-06T12:00:00Z, is used") {
			t.Errorf("%s: want the last good copy and a warning, got %s, %s", name, origins(got, ""), faults)
		}
		without := o
		without.CacheDir = ""
		got, faults = load(without)
		if origins(got, "") != "fastly embedded 21" || !covered(got.Never, "151.101.1.57/32") || !strings.Contains(faults, "embedded") {
			t.Errorf("%s: want the snapshot and a warning, got %s, %s", name, origins(got, ""), faults)
		}
	}
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, faults := load(o); origins(got, "") != "fastly embedded 21" || !strings.Contains(faults, "reading last good copy of list fastly") {
		t.Errorf("a damaged copy: got %s, %s", origins(got, ""), faults)
	}
}

func TestAFolderThatCannotBeMadeIsAWarning(t *testing.T) {
	s := newSite(t, `{"addresses":["192.0.2.0/24"],"ipv6_addresses":["2001:db8::/32"]}`)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, faults := lists.Load(t.Context(), lists.Options{FastlyURL: s.URL, CacheDir: filepath.Join(file, "lists"), Now: now})
	if origins(got, "") != "fastly fresh 2" || len(faults) != 1 {
		t.Errorf("got %s, %v, want the answer and one warning", origins(got, ""), faults)
	}
}

func TestAListThatNeverAnswersCostsNoMoreThanTheDeadline(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hold)
	begin := time.Now()
	got, faults := lists.Load(t.Context(), lists.Options{FastlyURL: server.URL, URLs: []lists.Location{{At: server.URL}}, Timeout: 50 * time.Millisecond, Now: now})
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if origins(got, server.URL) != "fastly embedded 21; URL missing 0" || len(faults) != 2 || !errors.Is(faults[0], context.DeadlineExceeded) || !got.AllowPartial {
		t.Errorf("%s, %v", origins(got, server.URL), faults)
	}
}

func TestAnAllowlistFromFileAndURL(t *testing.T) {
	s := newSite(t, "203.0.113.0/24 # partner\n198.51.100.7 until=2031-05-05 # load test\n")
	file := filepath.Join(t.TempDir(), "allow.txt")
	if err := os.WriteFile(file, []byte("192.0.2.1\n192.0.2.2 # with a reason\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	written := entry("192.0.2.9/32", "office", time.Time{})
	got, faults := lists.Load(t.Context(), lists.Options{Allowlist: []lists.Entry{written}, Now: now,
		Files: []lists.Location{{At: file, Reason: "monitors"}}, URLs: []lists.Location{{At: s.URL}}})
	if len(faults) > 0 || got.AllowPartial || origins(got, s.URL) != "fastly embedded 21; "+file+" fresh 2; URL fresh 2" {
		t.Fatalf("%s, %v", origins(got, s.URL), faults)
	}
	for prefix, reason := range map[string]string{"192.0.2.9/32": "office", "192.0.2.1/32": "monitors", "192.0.2.2/32": "with a reason", "203.0.113.9/32": "partner", "198.51.100.7/32": ""} {
		if e, _ := got.Allow.Overlaps(p(prefix), now); e.Reason != reason {
			t.Errorf("%s: reason %q, want %q", prefix, e.Reason, reason)
		}
	}
	for _, e := range got.Allow.Entries() {
		if e.List != lists.Allowlist {
			t.Errorf("%s says it is of list %q", e.Prefix, e.List)
		}
	}
}

func TestAnAllowlistThatSuddenlyCoversTooMuchIsRefused(t *testing.T) {
	hosts := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "198.18.%d.%d # host\n", i/256, i%256)
		}
		return b.String()
	}
	for _, c := range []struct {
		name, before, after string
		refused             bool
	}{
		{"one more office", "203.0.113.0/24 # a\n", "203.0.113.0/24 # a\n198.51.100.0/24 # b\n192.0.2.0/24 # c\n", false},
		{"a small list that grows to a /22 of hosts", "203.0.113.9 # a\n", hosts(1024), false},
		{"a small list that grows beyond", "203.0.113.9 # a\n", hosts(1025), true},
		{"twice as much as before", "198.18.0.0/21 # a\n", "198.18.0.0/20 # a\n", false},
		{"more than twice", "198.18.0.0/21 # a\n", "198.18.0.0/20 # a\n203.0.113.9 # b\n", true},
		{"overlapping lines count once", "198.18.0.0/21 # a\n", "198.18.0.0/20 # a\n198.18.0.0/24 # b\n198.18.1.9 # c\n", false},
		{"half the internet", "203.0.113.0/24 # a\n", "0.0.0.0/1 # a\n", true},
		{"a /15", "203.0.113.0/24 # a\n", "198.18.0.0/15 # a\n", true},
		{"more /64s than twice", "2001:db8::/53 # a\n", "2001:db8::/51 # a\n", true},
		{"as many", "2001:db8::/53 # a\n", "2001:db8::/52 # a\n", false},
		{"a /31 of IPv6", "2001:db8::/32 # a\n", "2001:db8::/31 # a\n", true},
		{"a list that becomes empty is believed: the guard limits what it releases", "", "# none\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.before)
			o := lists.Options{URLs: []lists.Location{{At: s.URL}}, CacheDir: t.TempDir(), Now: now}
			before, faults := lists.Load(t.Context(), o)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			s.body.Store(c.after)
			o.Now = now.Add(time.Minute)
			for range 2 { // the refused one must not become the last good copy
				got, faults := lists.Load(t.Context(), o)
				origin := got.States[1].Origin
				if c.refused && (origin != lists.Kept || len(faults) != 1 || fmt.Sprint(got.Allow.Entries()) != fmt.Sprint(before.Allow.Entries())) {
					t.Errorf("want the last good copy and a warning, got %s, %v", origin, faults)
				}
				if !c.refused && (origin != lists.Fresh || len(faults) > 0) {
					t.Errorf("want the new list, got %s, %v", origin, faults)
				}
				if got.AllowPartial {
					t.Error("a last good copy is a whole list")
				}
			}
		})
	}
}

func TestARefusedListSaysHowToAcceptIt(t *testing.T) {
	s := newSite(t, "203.0.113.9 # a\n")
	o := lists.Options{URLs: []lists.Location{{At: s.URL}}, CacheDir: t.TempDir(), Now: now}
	lists.Load(t.Context(), o)
	s.body.Store("198.18.0.0/16 # a\n")
	_, faults := lists.Load(t.Context(), o)
	files, _ := filepath.Glob(filepath.Join(o.CacheDir, "allowlist-*.txt"))
	if len(files) != 1 || len(faults) != 1 || !strings.Contains(faults[0].Error(), "remove "+files[0]) {
		t.Fatalf("%v, %v", files, faults)
	}
	os.Remove(files[0])
	if got, faults := lists.Load(t.Context(), o); len(faults) > 0 || !covered(got.Allow, "198.18.9.9/32") {
		t.Errorf("after that it is accepted: %v", faults)
	}
}

func TestAnAllowlistThatCannotBeReadWholeIsAHole(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text    string
		entries int
	}{
		"a line that is no prefix": {"203.0.113.9 # a\nnonsense # b\n", 1},
		"a line without a reason":  {"203.0.113.9\n203.0.113.8 # b\n", 1},
		"too wide":                 {"0.0.0.0/0 # a\n203.0.113.8 # b\n", 0},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, faults := lists.Load(t.Context(), lists.Options{Files: []lists.Location{{At: file}}, Now: now})
		if !got.AllowPartial || len(got.Allow.Entries()) != c.entries || len(faults) != 1 {
			t.Errorf("%s: partial %v, %d entries, %v", name, got.AllowPartial, len(got.Allow.Entries()), faults)
		}
	}
	for name, path := range map[string]string{"no file": filepath.Join(dir, "none"), "a folder": dir} {
		got, faults := lists.Load(t.Context(), lists.Options{Files: []lists.Location{{At: path}}, Now: now})
		if !got.AllowPartial || len(faults) != 1 || got.States[1].Origin != lists.Missing {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

func TestAListMustComeOverAWayThatNobodyCanChange(t *testing.T) {
	s := newSite(t, "")
	plain := httptest.NewServer(http.RedirectHandler("http://203.0.113.9/list.txt", http.StatusFound))
	defer plain.Close()
	for _, at := range []string{"http://203.0.113.9/list.txt", "https://user:s3cret@example.com/list.txt", "file:///etc/passwd", "list.txt", "::", plain.URL} {
		got, faults := lists.Load(t.Context(), lists.Options{URLs: []lists.Location{{At: at}}, Now: now, Timeout: 5 * time.Second})
		if len(faults) != 1 || got.States[1].Origin != lists.Missing || errors.Is(faults[0], context.DeadlineExceeded) {
			t.Errorf("%s: %v", at, faults)
		}
		if strings.Contains(fmt.Sprint(faults, got.States), "s3cret") {
			t.Errorf("the error holds the password: %v", faults)
		}
	}
	if s.asked.Load() != 0 {
		t.Error("nobody asked for this one")
	}
}

func TestPublishedRangesOfCrawlers(t *testing.T) {
	const good = `{"creationTime":"2031-05-06T00:00:00","prefixes":[{"ipv6Prefix":"2001:db8:4860::/64"},{"ipv4Prefix":"192.0.2.64/27"}]}`
	s := newSite(t, good)
	o := lists.Options{Crawlers: []lists.Crawler{{Name: "googlebot", URL: s.URL}, {Name: "by name only", Domains: []string{"example.com"}}}, CacheDir: t.TempDir(), Now: now}
	got, faults := lists.Load(t.Context(), o)
	if len(faults) > 0 || origins(got, "") != "fastly embedded 21; googlebot fresh 2" {
		t.Fatalf("%s, %v", origins(got, ""), faults)
	}
	if e, ok := got.Crawlers.Covers(p("192.0.2.70/32"), now); !ok || e.Reason != "googlebot, published range" || e.List != lists.Crawlers {
		t.Errorf("got %+v", e)
	}
	o.Now = now.Add(2 * time.Hour)
	for _, bad := range []string{"", "{}", `{"prefixes":[{"ipv4Prefix":"0.0.0.0/0"}]}`, `{"prefixes":[{"ipv4Prefix":"x"}]}`, `{"prefixes":[{}]}`} {
		s.body.Store(bad)
		if got, faults := lists.Load(t.Context(), o); got.States[1].Origin != lists.Kept || len(faults) != 1 || got.AllowPartial {
			t.Errorf("%s: %s, %v", bad, origins(got, ""), faults)
		}
	}
}

func TestEgressIsNeverBlocked(t *testing.T) {
	got, _ := lists.Load(t.Context(), lists.Options{Egress: []netip.Prefix{p("192.0.2.10/32")}, Now: now})
	if e, ok := got.Never.Overlaps(p("192.0.2.0/24"), now); !ok || e.List != lists.EgressList {
		t.Errorf("got %+v, %v", e, ok)
	}
}

func TestGatewaysThatManyClientsShareAreNeverBlocked(t *testing.T) {
	never := lists.New(lists.NeverBlock()...)
	for _, prefix := range []string{"64:ff9b::/64", "64:ff9b::cb00:7109/128", "64:ff9b:1:1::/64", "::/64", "::cb00:7109/128", "2002:cb00:7109::/64", "2001:0:1:2::/64"} {
		if !covered(never, prefix) {
			t.Errorf("%s may be blocked", prefix)
		}
	}
	for _, prefix := range []string{"2001:db8:1:2::/64", "2001:4860:4801::/64", "203.0.113.9/32", "::ffff:203.0.113.9/128"} {
		if covered(never, prefix) {
			t.Errorf("%s may not be blocked", prefix)
		}
	}
}

func TestTwoRunsAtOnceShareAFolder(t *testing.T) {
	s := newSite(t, "203.0.113.0/24 # partner\n")
	o := lists.Options{URLs: []lists.Location{{At: s.URL}}, CacheDir: t.TempDir(), Now: now}
	results := make(chan []error, 20)
	for range cap(results) {
		go func() {
			got, faults := lists.Load(t.Context(), o)
			if !covered(got.Allow, "203.0.113.9/32") {
				faults = append(faults, errors.New("the list was not read"))
			}
			results <- faults
		}()
	}
	for range cap(results) {
		if faults := <-results; len(faults) > 0 {
			t.Error(faults)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(o.CacheDir, "*")); len(files) != 1 {
		t.Errorf("left in the folder: %v", files)
	}
}
