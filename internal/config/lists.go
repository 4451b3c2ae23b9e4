package config

import (
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"edgewarden/internal/acl"
	"edgewarden/internal/lists"
)

// ListOptions says what lists.Load has to read for a run. Fastly's ranges come from the Fastly endpoint, so that a
// rehearsal asks nobody on the internet.
func (c *Config) ListOptions() lists.Options {
	return lists.Options{
		Allowlist: c.Allowlist, Files: c.AllowlistFiles, URLs: c.AllowlistURLs, Egress: c.Egress, Crawlers: c.Crawlers, CacheDir: c.ListsCache,
		FastlyURL: strings.TrimRight(orDefault(c.FastlyEndpoint, acl.DefaultEndpoint), "/") + "/public-ip-list",
	}
}

// Widest entries of the allowlist: wider ones would exempt half the world.
const (
	widestAllow4 = 8
	widestAllow6 = 19
)

func (r *reader) allowlist(n ast.Node) []lists.Entry {
	var entries []lists.Entry
	for _, item := range r.list(n, "allowlist") {
		if kindOf(item) == "a text" {
			s, _ := r.text(item, "an allowlist entry")
			r.fail(item, "an allowlist entry needs a reason: write - {prefix: %s, reason: …}", show(s))
			continue
		}
		if e, ok := r.allowEntry(item); ok {
			entries = append(entries, e)
		}
	}
	return entries
}

func (r *reader) allowEntry(item ast.Node) (e lists.Entry, ok bool) {
	e.List = lists.Allowlist
	before := len(r.faults)
	places := r.mapping(item, "an allowlist entry", keys{
		"prefix":  r.prefix(&e.Prefix, "prefix"),
		"address": r.prefix(&e.Prefix, "address"),
		"reason":  r.word(&e.Reason, "reason"),
		"until": func(n ast.Node) {
			s, _ := r.text(n, "until")
			until, err := lists.ParseUntil(s)
			if err != nil {
				r.fail(n, "until: %v", err)
			}
			e.Until = until
		},
	})
	switch {
	case places["prefix"] == nil && places["address"] == nil:
		r.fail(item, "the allowlist entry has neither prefix nor address")
	case places["prefix"] != nil && places["address"] != nil:
		r.fail(places["address"], "the allowlist entry has both prefix and address: make two of it")
	case places["reason"] == nil:
		r.fail(item, "the allowlist entry has no reason: the one who finds it in two years needs it")
	}
	if p := e.Prefix; p.IsValid() && (p.Addr().Is4() && p.Bits() < widestAllow4 || p.Addr().Is6() && p.Bits() < widestAllow6) {
		r.fail(item, "%s is too wide for an allowlist: at most /%d and /%d", p, widestAllow4, widestAllow6)
	}
	return e, len(r.faults) == before
}

// locations are lists elsewhere: a text each, or a mapping with a reason for lines that give none.
func (r *reader) locations(n ast.Node, what, key string, read func(*string) func(ast.Node)) []lists.Location {
	var all []lists.Location
	seen := map[string]bool{}
	for _, item := range r.list(n, what) {
		var l lists.Location
		if kindOf(item) == "a text" {
			read(&l.At)(item)
		} else {
			places := r.mapping(item, "an entry of "+what, keys{key: read(&l.At), "reason": r.word(&l.Reason, "reason")})
			if places[key] == nil {
				r.fail(item, "an entry of %s has no %s", what, key)
			}
		}
		switch {
		case l.At == "": // said already
		case seen[l.At]:
			r.fail(item, "%s names %s twice", what, show(l.At))
		default:
			seen[l.At] = true
			all = append(all, l)
		}
	}
	return all
}

var domainRE = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$`)

func (r *reader) crawlers(n ast.Node) []lists.Crawler {
	var all []lists.Crawler
	names := map[string]bool{}
	for _, item := range r.list(n, "crawlers") {
		var c lists.Crawler
		places := r.mapping(item, "a crawler", keys{
			"name":    r.word(&c.Name, "name"),
			"agent":   r.word(&c.Agent, "agent"),
			"ranges":  r.endpoint(&c.URL, "ranges"),
			"domains": r.words(&c.Domains, "domains"),
		})
		switch {
		case places["name"] == nil:
			r.fail(item, "the crawler has no name")
		case names[c.Name]:
			r.fail(places["name"], "crawler %s is listed twice", show(c.Name))
		case places["ranges"] == nil && len(c.Domains) == 0:
			r.fail(item, "crawler %s has neither ranges nor domains: nothing could prove who it is", show(c.Name))
		}
		for _, d := range c.Domains {
			if !domainRE.MatchString(d) {
				r.fail(places["domains"], "domains holds %s: want a domain of at least two labels, such as googlebot.com", show(d))
			}
		}
		names[c.Name] = true
		all = append(all, c)
	}
	return all
}
