package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

const day = 24 * time.Hour

// Load reads and checks a configuration file. Its error joins one *Error per fault.
// Rules are compiled to check them; whether their windows suit the period is checked by Compile,
// since a flag may change the period.
func Load(path string) (*Config, error) {
	r, root, err := open(path)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	if root != nil {
		r.config(root, c)
	}
	if len(r.faults) > 0 {
		return nil, join(r.faults)
	}
	c.fillNames()
	return c, nil
}

// config reads the whole file into c.
func (r *reader) config(root ast.Node, c *Config) {
	places := r.mapping(r.resolve(root), "the file", keys{
		"owner":     r.matching(&c.Owner, "owner", ownerRE, "1 to 24 of a-z, 0-9 and -"),
		"services":  func(n ast.Node) { c.Services = r.services(n) },
		"rules":     func(n ast.Node) { c.Rules = r.rules(n) },
		"classes":   func(n ast.Node) { c.Classes = r.classes(n) },
		"lake":      r.word(&c.Lake, "lake"),
		"bigquery":  func(n ast.Node) { r.bigquery(n, &c.BigQuery) },
		"allowlist": func(n ast.Node) { c.Allowlist = r.allowlist(n) },
		"allowlist_files": func(n ast.Node) {
			c.AllowlistFiles = r.locations(n, "allowlist_files", "file", func(dst *string) func(ast.Node) { return r.word(dst, "file") })
		},
		"allowlist_urls": func(n ast.Node) {
			c.AllowlistURLs = r.locations(n, "allowlist_urls", "url", func(dst *string) func(ast.Node) { return r.endpoint(dst, "url") })
		},
		"crawlers":    func(n ast.Node) { c.Crawlers = r.crawlers(n) },
		"lists_cache": r.word(&c.ListsCache, "lists_cache"),
		"egress":      func(n ast.Node) { c.Egress = r.prefixes(n, "egress") },
		"trust":       func(n ast.Node) { r.trust(n, &c.Policy) },
		"policy":      func(n ast.Node) { r.policy(n, &c.Policy) },
		"guard":       func(n ast.Node) { r.guard(n, c) },
		"ledger":      r.word(&c.Ledger, "ledger"),
		"period":      r.duration(&c.Period, "period", 10*time.Second, day),
		"settle":      r.duration(&c.Settle, "settle", time.Second, 6*time.Hour),
		"lease":       r.duration(&c.Lease, "lease", 5*time.Minute, 7*day),
		"fastly":      func(n ast.Node) { r.fastly(n, c) },
		"capacity":    r.integer(&c.Capacity, "capacity", 1, 100_000),
		"notify":      func(n ast.Node) { r.notify(n, &c.Notify) },
		"monitoring":  func(n ast.Node) { r.monitoring(n, &c.Monitoring) },
		"ingest":      func(n ast.Node) { r.pairs(n, "ingest") }, // for the other program
	})
	if at, ok := places["bigquery"]; ok && places["lake"] != nil {
		r.fail(at, "both lake and bigquery are given: logs are read from one store")
	}
	if c.Period > 0 && c.Lease > 0 && c.Lease < 2*c.Period {
		r.fail(places["lease"], "the lease of %s is shorter than two periods of %s: one missed run would end enforcement", FormatDuration(c.Lease), FormatDuration(c.Period))
	}
	most := c.Policy.WithDefaults().Max
	r.check(c.Rules, c.Classes, most)
	for _, s := range c.Services {
		if len(s.Rules) > 0 || len(s.Classes) > 0 {
			rules, classes := c.RulesOf(s)
			r.check(rules, classes, most)
		}
	}
}

// RulesOf are the rules and classes of a service: its own, or else those of the file.
func (c *Config) RulesOf(s Service) ([]Rule, []Class) {
	rules, classes := s.Rules, s.Classes
	if len(rules) == 0 {
		rules = c.Rules
	}
	if classes == nil {
		classes = c.Classes
	}
	return rules, classes
}

// LoadRules reads a file that holds only rules and their classes (the short form); the classes are nil when
// it says nothing of them. Its error joins one *Error per fault; a file without rules is one.
func LoadRules(path string) (rules []Rule, classes []Class, err error) {
	r, root, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	if root != nil {
		rules, classes = r.rulesOnly(root)
	}
	if len(r.faults) > 0 {
		return nil, nil, join(r.faults)
	}
	return rules, classes, nil
}

func (r *reader) rulesOnly(root ast.Node) (rules []Rule, classes []Class) {
	root = r.resolve(root)
	for _, pair := range r.pairs(root, "a rules file") {
		if key := pair.Key.GetToken().Value; slices.Contains(topKeys, key) {
			r.fail(pair.Key, "%s does not belong in a file that holds only rules: give the whole file with --config", key)
			return nil, nil
		}
	}
	r.mapping(root, "a rules file", keys{
		"rules":   func(n ast.Node) { rules = r.rules(n) },
		"classes": func(n ast.Node) { classes = r.classes(n) },
	})
	if len(rules) == 0 && len(r.faults) == 0 {
		r.fail(root, "there are no rules: write at least one under rules:")
	}
	r.check(rules, classes, policy.DefaultMax)
	return rules, classes
}

// topKeys are the keys of the whole file that a rules file does not have.
var topKeys = []string{"owner", "services", "lake", "bigquery", "allowlist", "allowlist_files", "allowlist_urls", "crawlers", "lists_cache", "egress", "trust", "policy", "guard", "ledger",
	"period", "settle", "lease", "fastly", "capacity", "notify", "monitoring", "ingest"}

func (c *Config) fillNames() {
	if c.Owner == "" {
		c.Owner = DefaultOwner
	}
	for i := range c.Services {
		s := &c.Services[i]
		for name, def := range map[*string]string{&s.Exempt: DefaultExempt, &s.Shadow: DefaultShadow, &s.Control: DefaultControl} {
			if *name == "" {
				*name = def
			}
		}
	}
}

var (
	ownerRE   = regexp.MustCompile(`^[a-z0-9-]{1,24}$`)
	serviceRE = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	aclRE     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,254}$`) // what VCL takes as an identifier
	tableRE   = regexp.MustCompile(`^[A-Za-z0-9.:_-]+\.[A-Za-z0-9_]+\.[\pL\pN_\- ]+$`)
	columnRE  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)
	placeRE   = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// matching is a word of a given form into dst.
func (r *reader) matching(dst *string, what string, form *regexp.Regexp, want string) func(ast.Node) {
	return func(n ast.Node) {
		r.word(dst, what)(n)
		if *dst != "" && !form.MatchString(*dst) {
			r.fail(n, "%s is %s: want %s", what, show(*dst), want)
			*dst = ""
		}
	}
}

// oneOf is one of a few words into dst.
func (r *reader) oneOf(dst *string, what string, words ...string) func(ast.Node) {
	return func(n ast.Node) {
		r.word(dst, what)(n)
		if *dst == "" || slices.Contains(words, *dst) {
			return
		}
		guess := nearest(*dst, words)
		if guess != "" {
			guess = ": did you mean " + guess + "?"
		}
		r.fail(n, "%s is %s, want %s%s", what, show(*dst), strings.Join(words, " or "), guess)
		*dst = ""
	}
}

const aclName = "a letter, then letters, digits and _"

func (r *reader) services(n ast.Node) []Service {
	var services []Service
	ids := map[string]bool{}
	for _, item := range r.list(n, "services") {
		s := Service{}
		var acls []string
		places := r.mapping(item, "a service", keys{
			"id":            r.matching(&s.ID, "id", serviceRE, "the service id Fastly shows, letters and digits"),
			"name":          r.word(&s.Name, "name"),
			"acls":          r.words(&acls, "acls"),
			"exempt":        r.matching(&s.Exempt, "exempt", aclRE, aclName),
			"shadow":        r.matching(&s.Shadow, "shadow", aclRE, aclName),
			"control":       r.matching(&s.Control, "control", aclRE, aclName),
			"log_endpoints": r.integer(&s.LogEndpoints, "log_endpoints", 1, 100),
			"rules":         func(n ast.Node) { s.Rules = r.rules(n) },
			"classes":       func(n ast.Node) { s.Classes = r.classes(n) },
		})
		s.ACLs = acls
		if places["id"] == nil {
			r.fail(item, "the service has no id")
		} else if s.ID != "" && ids[s.ID] {
			r.fail(places["id"], "service %s is listed twice", s.ID)
		}
		ids[s.ID] = true
		r.checkACLs(item, places["acls"], s)
		services = append(services, s)
	}
	return services
}

// checkACLs sees to it that each ACL has one purpose.
func (r *reader) checkACLs(item, at ast.Node, s Service) {
	if len(s.ACLs) == 0 {
		r.fail(item, "the service has no acls: name at least one ACL for blocks")
		return
	}
	used := map[string]string{}
	for purpose, name := range map[string]string{"exempt": orDefault(s.Exempt, DefaultExempt), "shadow": orDefault(s.Shadow, DefaultShadow)} {
		used[name] = purpose
	}
	if orDefault(s.Exempt, DefaultExempt) == orDefault(s.Shadow, DefaultShadow) {
		r.fail(item, "exempt and shadow name the same ACL")
	}
	for _, name := range s.ACLs {
		switch {
		case !aclRE.MatchString(name):
			r.fail(at, "acls holds %s: want %s", show(name), aclName)
		case used[name] != "":
			r.fail(at, "acls holds %s, which is already used for %s", name, used[name])
		}
		used[name] = "blocks"
	}
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (r *reader) bigquery(n ast.Node, b *BigQuery) {
	places := r.mapping(n, "bigquery", keys{
		"table":     r.matching(&b.Table, "table", tableRE, "PROJECT.DATASET.TABLE"),
		"kind":      r.oneOf(&b.Kind, "kind", "sink", "fastly", "custom"),
		"location":  r.matching(&b.Location, "location", placeRE, "a BigQuery location such as EU or europe-west3"),
		"endpoint":  r.endpoint(&b.Endpoint, "endpoint"),
		"columns":   func(n ast.Node) { b.Columns = r.columns(n) },
		"max_bytes": r.size(&b.MaxBytes, "max_bytes"),
	})
	if places["table"] == nil {
		r.fail(n, "bigquery has no table: write PROJECT.DATASET.TABLE")
	}
	if at := places["columns"]; at != nil && b.Kind != "custom" && b.Kind+"x" != "x" {
		r.fail(at, "columns are for kind: custom; the columns of kind %s are known", b.Kind)
	}
	if b.Kind == "custom" && len(b.Columns) == 0 {
		r.fail(places["kind"], "kind: custom needs columns: which column holds which field")
	}
}

func (r *reader) columns(n ast.Node) map[string]string {
	columns := map[string]string{}
	for _, pair := range r.pairs(n, "columns") {
		field, column := pair.Key.GetToken().Value, ""
		r.matching(&column, "column of "+show(field), columnRE, "a column name, with dots for nested fields")(r.resolve(pair.Value))
		switch {
		case !columnRE.MatchString(field):
			r.fail(pair.Key, "%s is no field of a record", show(field))
		case columns[field] != "":
			r.fail(pair.Key, "columns names the field %s twice", field)
		default:
			columns[field] = column
		}
	}
	return columns
}

// endpoint is a URL without a secret in it, and encrypted unless it stays on this machine.
func (r *reader) endpoint(dst *string, what string) func(ast.Node) {
	return func(n ast.Node) {
		var s string
		if r.word(&s, what)(n); s == "" {
			return
		}
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			r.fail(n, "%s is no URL: write https://host", what)
		case u.User != nil:
			r.fail(n, "%s holds a user or a password: secrets have no place in this file", what)
		case u.RawQuery != "" || u.Fragment != "":
			r.fail(n, "%s ends in a query or a fragment: write https://host/path", what)
		case u.Scheme == "http" && !loopback(u.Hostname()):
			r.fail(n, "%s is not encrypted: http is for this machine only, write https://%s", what, u.Host)
		default:
			*dst = s
		}
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (r *reader) prefix(dst *netip.Prefix, what string) func(ast.Node) {
	return func(n ast.Node) {
		var s string
		if r.word(&s, what)(n); s == "" {
			return
		}
		p, err := lists.ParsePrefix(s)
		if err != nil {
			r.fail(n, "%s: %v", what, err)
		}
		*dst = p
	}
}

func (r *reader) prefixes(n ast.Node, what string) []netip.Prefix {
	var all []netip.Prefix
	for _, item := range r.list(n, what) {
		var p netip.Prefix
		if r.prefix(&p, what)(item); p.IsValid() {
			all = append(all, p)
		}
	}
	return all
}

func (r *reader) trust(n ast.Node, s *policy.Settings) {
	r.mapping(n, "trust", keys{"allow": func(n ast.Node) {
		for _, item := range r.list(n, "allow") {
			var word string
			r.oneOf(&word, "allow", policy.CodeForgeable, policy.CodeUnauthenticated)(item)
			s.TrustForgeable = s.TrustForgeable || word == policy.CodeForgeable
			s.TrustUnauthenticated = s.TrustUnauthenticated || word == policy.CodeUnauthenticated
		}
	}})
}

func (r *reader) policy(n ast.Node, s *policy.Settings) {
	places := r.mapping(n, "policy", keys{
		"max":           r.duration(&s.Max, "max", time.Minute, 30*day),
		"escalation":    r.factor(&s.Escalation, "escalation", 100),
		"forget":        r.duration(&s.Forget, "forget", time.Hour, 400*day),
		"propagation":   r.duration(&s.Propagation, "propagation", 30*time.Second, time.Hour),
		"shared_room":   r.factor(&s.SharedRoom, "shared_room", 1000),
		"min_addresses": r.integer(&s.MinAddresses, "min_addresses", 1, 1<<16),
		"roll_up":       r.integer(&s.RollUp, "roll_up", policy.LeastRollUp, 256),
	})
	if d := s.WithDefaults(); d.Forget < d.Max {
		at := places["forget"]
		if at == nil {
			at = places["max"]
		}
		r.fail(at, "forget (%s) is shorter than max (%s): a block would outlast its own strike", FormatDuration(d.Forget), FormatDuration(d.Max))
	}
}

func (r *reader) guard(n ast.Node, c *Config) {
	g := &c.Guard
	r.mapping(n, "guard", keys{
		"width4":          r.integer(&g.MaxWidth4, "width4", 16, 32),
		"width6":          r.integer(&g.MaxWidth6, "width6", 32, 128),
		"stale_data":      r.duration(&g.Stale, "stale_data", time.Minute, 7*day),
		"loss":            r.share(&g.Loss, "loss"),
		"too_many_blocks": r.integer(&g.NewBlocks, "too_many_blocks", 1, 100_000),
		"collateral":      r.share(&g.Collateral, "collateral"),
		"allow_releases":  r.share(&g.AllowReleases, "allow_releases"),
		"clock_skew":      r.duration(&g.ClockSkew, "clock_skew", time.Second, time.Hour),
		"ahead":           r.share(&g.Ahead, "ahead"),
		"no_address":      r.share(&g.NoAddress, "no_address"),
		"not_client":      r.share(&g.NotClient, "not_client"),
		"claims_other_ip": r.share(&g.ClaimsOtherIP, "claims_other_ip"),
		"repeated_ids":    r.share(&g.RepeatedIDs, "repeated_ids"),
		"volume":          r.share(&g.Volume, "volume"),
	})
	// One width for both: what policy decides, the guard lets pass.
	c.Policy.MaxWidth4, c.Policy.MaxWidth6 = g.MaxWidth4, g.MaxWidth6
}

func (r *reader) fastly(n ast.Node, c *Config) {
	r.mapping(n, "fastly", keys{
		"endpoint":   r.endpoint(&c.FastlyEndpoint, "endpoint"),
		"token_file": r.word(&c.FastlyTokenFile, "token_file"),
	})
}

// String names a place as an error does.
func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }
