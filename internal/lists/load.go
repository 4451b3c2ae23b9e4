package lists

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"
)

// The defaults of Options.
const (
	DefaultTimeout = 10 * time.Second
	DefaultRefresh = time.Hour
)

// Location says where an allowlist is: a file or a URL. It has an entry a line:
//
//	203.0.113.0/24                     # office Berlin
//	198.51.100.7     until=2031-05-06  # load test, ticket 4711
//
// Blank lines and lines that begin with # are skipped.
type Location struct {
	At     string
	Reason string // of lines that give none; "" makes such a line a fault
}

// Options say what to load. The zero Options give the built-in never-block set, make no request and keep no file.
type Options struct {
	Allowlist []Entry        // written in the configuration: always taken
	Files     []Location     // allowlists on this machine
	URLs      []Location     // allowlists by HTTPS; plain HTTP only from a loopback address
	Egress    []netip.Prefix // our own addresses towards the internet
	Crawlers  []Crawler
	FastlyURL string        // where Fastly's ranges are refreshed from, see FastlyURL; "" means the embedded snapshot
	CacheDir  string        // where last good copies are kept, made when missing (mode 0700); "" keeps none
	Client    *http.Client  // nil means one with timeouts, that follows no redirect away from HTTPS
	Timeout   time.Duration // for all lists together; 0 means 10 s
	Refresh   time.Duration // a copy of Fastly's or a crawler's ranges that is younger is not asked for again; 0 means 1 h
	Now       time.Time     // zero means time.Now
}

// Origin says what a list was read from.
type Origin string

// The origins.
const (
	Fresh    Origin = "fresh"    // just read
	Kept     Origin = "kept"     // the last good copy
	Embedded Origin = "embedded" // the snapshot in this binary
	Partial  Origin = "partial"  // its good lines: there is no last good copy
	Missing  Origin = "missing"  // nothing: there is no last good copy
)

// State is what became of one list.
type State struct {
	Name    string // "fastly", "googlebot", or the file or URL of an allowlist
	List    string // as Entry.List
	Origin  Origin
	At      time.Time // when its content was got; zero when there is none
	Entries int
}

// Age is how old the content is; 0 when there is none.
func (s State) Age(now time.Time) time.Duration {
	if s.At.IsZero() {
		return 0
	}
	return max(0, now.Sub(s.At))
}

// String is one line for a person, as "fastly: 21 entries, read at 2031-05-06T12:00:00Z".
func (s State) String() string {
	what := map[Origin]string{Kept: "last good copy", Embedded: "embedded in this program", Partial: "its good lines only", Missing: "not read"}[s.Origin]
	switch {
	case s.Origin == Fresh:
		what = "read at " + s.At.UTC().Format(time.RFC3339)
	case !s.At.IsZero():
		what += " of " + s.At.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s: %d entries, %s", s.Name, s.Entries, what)
}

// Sources are the lists of one run.
type Sources struct {
	Never    *Set // built-in, Fastly's and our own egress
	Allow    *Set
	Crawlers *Set // published ranges; add what Verify finds with Union
	States   []State
	// AllowPartial is true when a part of the allowlist could not be read and there is no last good copy of it: somebody who
	// should be spared is not known. Nobody new should be blocked then, and no allowlist entry at the edge released.
	AllowPartial bool
}

// Load reads all lists, each within Timeout, and never fails: what cannot be read, or suddenly covers too much, is
// replaced by its last good copy, else by what is embedded, and an error says so. The errors are warnings, one a fault.
func Load(ctx context.Context, o Options) (Sources, []error) {
	o.fill()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	all, faults := o.sources()
	results := make([]result, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { results[i] = s.load(ctx, o.Now) })
	}
	wg.Wait()

	never, allow, crawlers := append(Reserved(), Egress(o.Egress...)...), o.Allowlist, []Entry(nil)
	out := Sources{}
	for _, r := range results {
		switch r.state.List {
		case FastlyList:
			never = append(never, r.entries...)
		case Allowlist:
			allow = append(allow[:len(allow):len(allow)], r.entries...)
			out.AllowPartial = out.AllowPartial || r.state.Origin == Partial || r.state.Origin == Missing
		case Crawlers:
			crawlers = append(crawlers, r.entries...)
		}
		out.States = append(out.States, r.state)
		faults = append(faults, r.faults...)
	}
	// A range that Fastly gave away since this binary was made stays protected: that costs nothing.
	never = append(never, FastlySnapshot()...)
	out.Never, out.Allow, out.Crawlers = New(never...), New(allow...), New(crawlers...)
	return out, faults
}

func (o *Options) fill() {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Refresh <= 0 {
		o.Refresh = DefaultRefresh
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Client == nil {
		o.Client = newClient()
	}
}

// sources is the table of what is read and how.
func (o *Options) sources() ([]source, []error) {
	var faults []error
	if o.CacheDir != "" {
		if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
			faults = append(faults, fmt.Errorf("keeping lists: %w: no last good copies are kept", err))
			o.CacheDir = ""
		}
	}
	all := []source{{
		name: "fastly", list: FastlyList, get: o.fetch(o.FastlyURL), parse: parseFastly, refresh: o.Refresh,
		file: o.kept("fastly", o.FastlyURL, ".json"), fallback: FastlySnapshot, off: o.FastlyURL == "",
	}}
	for _, l := range o.Files {
		all = append(all, o.allowlist(l, readFile(l.At)))
	}
	for _, l := range o.URLs {
		all = append(all, o.allowlist(l, o.fetch(l.At)))
	}
	for _, c := range o.Crawlers {
		if c.URL == "" {
			continue
		}
		all = append(all, source{
			name: c.Name, list: Crawlers, get: o.fetch(c.URL), parse: c.parse, vet: true, refresh: o.Refresh,
			file: o.kept("crawler", c.URL, ".json"), fallback: func() []Entry { return nil },
		})
	}
	return all, faults
}

func (o *Options) allowlist(l Location, get func(context.Context) ([]byte, error)) source {
	name := l.At
	if u, err := url.Parse(name); err == nil && u.User != nil {
		name = u.Redacted()
	}
	return source{name: name, list: Allowlist, get: get, parse: l.parse, vet: true, file: o.kept("allowlist", l.At, ".txt")}
}
