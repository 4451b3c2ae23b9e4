package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edgewarden/internal/acl"
	"edgewarden/internal/config"
	"edgewarden/internal/lists"
	"edgewarden/internal/policy"
)

// write puts text into a file named c.yaml and changes into its folder, so that
// faults read c.yaml:1:2.
func write(t *testing.T, text string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "c.yaml"
}

const rule = `rules:
  - name: flood
    window: 10m
    when: requests >= 100
`

func TestLoadReadsEveryKey(t *testing.T) {
	got, err := config.Load(write(t, `
owner: prod-1
services:
  - id: SVC1
    name: shop
    acls: [a_1, a_2]
    exempt: ex
    shadow: sh
    control: ctl
    log_endpoints: 2
  - {id: SVC2, acls: b_1}
bigquery:
  table: p-1.d.t
  kind: custom
  location: europe-west3
  endpoint: http://127.0.0.1:9050
  columns: {client_ip: http.client_ip, timestamp: ts}
  max_bytes: 1.5GiB
allowlist:
  - {prefix: 198.51.100.0/24, reason: office}
  - {address: "2001:db8::1", reason: monitor, until: 2031-05-06}
  - {address: "::ffff:203.0.113.7", reason: mapped, until: 2031-05-06T07:08:09+02:00}
allowlist_files: [/etc/a.txt, {file: /etc/b.txt, reason: partner}]
allowlist_urls: ["https://example.com/a.txt", {url: "http://127.0.0.1/b.txt", reason: monitor}]
crawlers:
  - {name: googlebot, agent: Googlebot, ranges: "https://example.com/g.json", domains: [googlebot.com, google.com]}
  - {name: bingbot, domains: search.msn.com}
lists_cache: /var/lib/lists
egress: [192.0.2.1, "2001:db8:1::/48"]
trust:
  allow: [forgeable_address, unauthenticated_sender]
policy: {max: 2d, escalation: 1.5, forget: 1w, propagation: 90s, shared_room: 2.5, min_addresses: 5, roll_up: 6}
guard:
  width4: 25
  width6: 56
  stale_data: 20m
  loss: 10%
  too_many_blocks: 7
  collateral: 0.02
  allow_releases: 30 %
  clock_skew: 1m
  ahead: 0.5%
  no_address: 0.1
  not_client: 20%
  claims_other_ip: 15%
  repeated_ids: 25%
  volume: 1
ledger: p.d.audit
period: 2m
settle: 30s
lease: 1d12h
fastly: {endpoint: "http://localhost:8099", token_file: /run/token}
capacity: 2000
ingest:
  anything: {goes: [here]}
`))
	if err != nil {
		t.Fatal(err)
	}
	p := netip.MustParsePrefix
	want := &config.Config{
		Owner: "prod-1",
		Services: []config.Service{
			{ID: "SVC1", Name: "shop", ACLs: []string{"a_1", "a_2"}, Exempt: "ex", Shadow: "sh", Control: "ctl", LogEndpoints: 2},
			{ID: "SVC2", ACLs: []string{"b_1"}, Exempt: "edgewarden_exempt", Shadow: "edgewarden_shadow", Control: "edgewarden_control"},
		},
		BigQuery: config.BigQuery{Table: "p-1.d.t", Kind: "custom", Location: "europe-west3", Endpoint: "http://127.0.0.1:9050",
			Columns: map[string]string{"client_ip": "http.client_ip", "timestamp": "ts"}, MaxBytes: 3 << 29},
		Allowlist: []lists.Entry{
			{Prefix: p("198.51.100.0/24"), Reason: "office", List: "allowlist"},
			{Prefix: p("2001:db8::1/128"), Reason: "monitor", Until: time.Date(2031, 5, 7, 0, 0, 0, 0, time.UTC), List: "allowlist"},
			{Prefix: p("203.0.113.7/32"), Reason: "mapped", Until: time.Date(2031, 5, 6, 5, 8, 9, 0, time.UTC), List: "allowlist"},
		},
		AllowlistFiles: []lists.Location{{At: "/etc/a.txt"}, {At: "/etc/b.txt", Reason: "partner"}},
		AllowlistURLs:  []lists.Location{{At: "https://example.com/a.txt"}, {At: "http://127.0.0.1/b.txt", Reason: "monitor"}},
		Crawlers: []lists.Crawler{
			{Name: "googlebot", Agent: "Googlebot", URL: "https://example.com/g.json", Domains: []string{"googlebot.com", "google.com"}},
			{Name: "bingbot", Domains: []string{"search.msn.com"}},
		},
		ListsCache: "/var/lib/lists",
		Egress:     []netip.Prefix{p("192.0.2.1/32"), p("2001:db8:1::/48")},
		Policy: policy.Settings{Max: 48 * time.Hour, Escalation: 1.5, Forget: 7 * 24 * time.Hour, Propagation: 90 * time.Second, SharedRoom: 2.5, MinAddresses: 5, RollUp: 6,
			MaxWidth4: 25, MaxWidth6: 56, TrustForgeable: true, TrustUnauthenticated: true},
		Guard: acl.Limits{MaxWidth4: 25, MaxWidth6: 56, Stale: 20 * time.Minute, Loss: 0.1, NewBlocks: 7, Collateral: 0.02, AllowReleases: 0.3,
			ClockSkew: time.Minute, Ahead: 0.005, NoAddress: 0.1, NotClient: 0.2, ClaimsOtherIP: 0.15, RepeatedIDs: 0.25, Volume: 1},
		Ledger: "p.d.audit", Period: 2 * time.Minute, Settle: 30 * time.Second, Lease: 36 * time.Hour,
		FastlyEndpoint: "http://localhost:8099", FastlyTokenFile: "/run/token", Capacity: 2000,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestLoadReadsRules(t *testing.T) {
	_, err := config.Load(write(t, `
base: &w 10m
rules:
  - name: a
    where: true
    window: *w
    when: requests >= 100
`))
	if err == nil {
		t.Fatal("an unknown key that holds an anchor is still unknown")
	}
	c, err := config.Load(write(t, `
rules:
  - name: a
    window: &w 10m
    when: requests >= 100
  - name: b
    where: true
    window: *w
    group: prefix
    when: requests >= 200
    block: 2h
    mode: enforce
services:
  - id: S
    acls: [a]
    rules:
      - {name: c, window: 1h, when: errors > 5, mode: shadow}
`))
	if err != nil {
		t.Fatal(err)
	}
	brief := func(r config.Rule) string {
		return fmt.Sprintf("%s %q %s %q %q %s %v", r.Name, r.Where, r.Window, r.Group, r.When, r.Block, r.Enforce)
	}
	got := []string{brief(c.Rules[0]), brief(c.Rules[1]), brief(c.Services[0].Rules[0])}
	want := []string{
		`a "" 10m0s "" "requests >= 100" 0s false`,
		`b "true" 10m0s "prefix" "requests >= 200" 2h0m0s true`,
		`c "" 1h0m0s "" "errors > 5" 0s false`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an empty file", "# nothing\n", "c.yaml: the file says nothing"},
		{"no YAML", "a: [1,\n", `c.yaml:1:4: this is not YAML`},
		{"a list", "- x\n", "c.yaml:1:1: the file is a mapping of keys to values, not a list"},
		{"two documents", "owner: a\n---\nowner: b\n", "c.yaml:3:1: a second document begins here"},
		{"bytes that are no text", "owner: a\nlake: \xff\n", "c.yaml:2:1: the line is not UTF-8"},
		{"an unknown key with a near one", "ownr: a\n", `c.yaml:1:1: unknown key "ownr" in the file: did you mean owner?`},
		{"a hyphen for an underscore", "bigquery: {table: a.b.c, max-bytes: 1}\n", `c.yaml:1:26: unknown key "max-bytes" in bigquery: did you mean max_bytes?`},
		{"an unknown key with none near", "fastly: {zzzzzz: 1}\n", `c.yaml:1:10: unknown key "zzzzzz" in fastly: the keys are endpoint, token_file`},
		{"a webhook's URL in the file", "notify: {url: https://hooks.example.com/x}\n", `c.yaml:1:10: unknown key "url" in notify: the URL is a secret`},
		{"a form of notifications nobody knows", "notify: {form: slak}\n", `c.yaml:1:16: form is "slak", want json or slack: did you mean slack?`},
		{"a kind of notifications nobody knows", "notify:\n  on: [change, changes]\n", `c.yaml:2:16: on is "changes", want failure or not_enforced`},
		{"masking that is neither on nor off", "notify: {mask_addresses: maybe}\n", `c.yaml:1:26: mask_addresses is "maybe", want true or false`},
		{"a project that is none", "monitoring: {project: My Project}\n", `c.yaml:1:23: project is "My Project": want the id of a Google Cloud project`},
		{"an endpoint without a project", "monitoring: {endpoint: 127.0.0.1:1}\n", `c.yaml:1:14: monitoring has an endpoint and no project`},
		{"a key written twice", "owner: a\nowner: b\n", `c.yaml:2:1: the file has the key "owner" twice`},
		{"a merge key", "x: &x {owner: a}\n<<: *x\n", `c.yaml:2:1: merge keys (<<) are not read`},
		{"an alias without an anchor", "owner: *x\n", `c.yaml:1:8: no anchor has the name "x"`},
		{"a tag", "owner: !!binary aGk=\n", `c.yaml:1:8: tags such as !!binary have no meaning here`},
		{"an owner in capitals", "owner: Prod\n", `c.yaml:1:8: owner is "Prod": want 1 to 24 of a-z, 0-9 and -`},
		{"an owner that is a list", "owner: [a]\n", "c.yaml:1:8: owner is a text, not a list"},
		{"an owner without a value", "owner:\n", "c.yaml:1:8: owner has no value"},
		{"a period without a unit", "period: 5\n", `c.yaml:1:9: period: "5" is no duration: write a number with its unit`},
		{"a period out of range", "period: 1s\n", "c.yaml:1:9: period is 1s: want 10s to 1d"},
		{"a lease shorter than two periods", "period: 1h\nlease: 90m\n", "c.yaml:2:1: the lease of 1h30m is shorter than two periods of 1h"},
		{"two stores", "lake: x\nbigquery: {table: a.b.c}\n", "c.yaml:2:1: both lake and bigquery are given"},
		{"a table of two parts", "bigquery: {table: b.c}\n", `c.yaml:1:19: table is "b.c": want PROJECT.DATASET.TABLE`},
		{"no table", "bigquery: {location: EU}\n", "c.yaml:1:11: bigquery has no table"},
		{"an unknown kind", "bigquery: {table: a.b.c, kind: fasty}\n", `c.yaml:1:32: kind is "fasty", want sink or fastly or custom: did you mean fastly?`},
		{"columns that nobody asked for", "bigquery:\n  table: a.b.c\n  kind: sink\n  columns: {status: s}\n", "c.yaml:4:3: columns are for kind: custom"},
		{"custom without columns", "bigquery: {table: a.b.c, kind: custom}\n", "c.yaml:1:26: kind: custom needs columns"},
		{"a column that is an expression", "bigquery: {table: a.b.c, kind: custom, columns: {status: 's; DROP TABLE x'}}\n", `c.yaml:1:58: column of "status" is "s; DROP TABLE x": want a column name`},
		{"a size that is none", "bigquery: {table: a.b.c, max_bytes: 5 apples}\n", `c.yaml:1:37: max_bytes: "5 apples" is no size`},
		{"an endpoint with a password", "fastly: {endpoint: 'https://u:hunter2@h'}\n", "c.yaml:1:20: endpoint holds a user or a password"},
		{"an endpoint with a key in its query", "fastly: {endpoint: 'https://h/?key=hunter2'}\n", "c.yaml:1:20: endpoint ends in a query"},
		{"an endpoint in the clear", "fastly: {endpoint: http://api.example.com}\n", "c.yaml:1:20: endpoint is not encrypted: http is for this machine only, write https://api.example.com"},
		{"an endpoint that is none", "fastly: {endpoint: api.fastly.com}\n", "c.yaml:1:20: endpoint is no URL"},
		{"an allowlist file twice", "allowlist_files: [a, a]\n", `c.yaml:1:22: allowlist_files names "a" twice`},
		{"an allowlist without a place", "allowlist_files: [{reason: x}]\n", "an entry of allowlist_files has no file"},
		{"an allowlist URL in the clear", "allowlist_urls: [http://example.com/a.txt]\n", "c.yaml:1:18: url is not encrypted"},
		{"an allowlist URL with a key", "allowlist_urls: ['https://example.com/a?key=hunter2']\n", "c.yaml:1:18: url ends in a query"},
		{"a crawler without a name", "crawlers: [{domains: a.com}]\n", "the crawler has no name"},
		{"a crawler twice", "crawlers: [{name: a, domains: a.com}, {name: a, domains: a.com}]\n", `crawler "a" is listed twice`},
		{"a crawler that nothing proves", "crawlers: [{name: a, agent: A}]\n", `crawler "a" has neither ranges nor domains`},
		{"a crawler with all of com", "crawlers: [{name: a, domains: com}]\n", `domains holds "com": want a domain of at least two labels`},
		{"a crawler's ranges in the clear", "crawlers: [{name: a, ranges: 'http://a.com/x'}]\n", "ranges is not encrypted"},
		{"a roll-up of two", "policy: {roll_up: 2}\n", "c.yaml:1:19: roll_up is \"2\": want a whole number from 3 to 256"},
		{"a service without id", "services:\n  - acls: [a]\n", "c.yaml:2:5: the service has no id"},
		{"a service without ACLs", "services:\n  - id: S\n", "c.yaml:2:5: the service has no acls"},
		{"a service twice", "services:\n  - {id: S, acls: a}\n  - {id: S, acls: b}\n", "c.yaml:3:6: service S is listed twice"},
		{"an ACL no VCL can name", "services:\n  - id: S\n    acls: [a b]\n", `c.yaml:3:5: acls holds "a b": want a letter, then letters, digits and _`},
		{"an ACL with two purposes", "services:\n  - id: S\n    acls: [a, edgewarden_exempt]\n", "c.yaml:3:5: acls holds edgewarden_exempt, which is already used for exempt"},
		{"one ACL for exempt and shadow", "services:\n  - {id: S, acls: a, exempt: x, shadow: x}\n", "c.yaml:2:5: exempt and shadow name the same ACL"},
		{"an allowlist entry without a reason", "allowlist:\n  - 203.0.113.9\n", `c.yaml:2:5: an allowlist entry needs a reason: write - {prefix: "203.0.113.9", reason: …}`},
		{"an allowlist entry with an empty reason", "allowlist:\n  - prefix: 203.0.113.9\n    reason: ''\n", "c.yaml:3:13: reason is empty"},
		{"an allowlist entry that gives no reason", "allowlist:\n  - prefix: 203.0.113.9\n", "c.yaml:2:5: the allowlist entry has no reason"},
		{"an allowlist entry with two prefixes", "allowlist:\n  - {prefix: 203.0.113.9, address: 203.0.113.9, reason: x}\n", "c.yaml:2:27: the allowlist entry has both prefix and address"},
		{"an allowlist entry of host bits", "allowlist:\n  - {prefix: 203.0.113.9/24, reason: x}\n", `c.yaml:2:14: prefix: "203.0.113.9/24" has bits set beyond /24: write 203.0.113.0/24 for the network`},
		{"an allowlist entry of everybody", "allowlist:\n  - {prefix: 0.0.0.0/0, reason: x}\n", "c.yaml:2:5: 0.0.0.0/0 is too wide for an allowlist"},
		{"an expiry that is none", "allowlist:\n  - {prefix: 203.0.113.9, reason: x, until: tomorrow}\n", `c.yaml:2:45: until: "tomorrow" is neither a day`},
		{"egress that is no address", "egress: [nat.example.com]\n", `c.yaml:1:10: egress: "nat.example.com" is neither an address`},
		{"an unknown trust", "trust: {allow: [forgable_address]}\n", `c.yaml:1:17: allow is "forgable_address", want forgeable_address or unauthenticated_sender: did you mean forgeable_address?`},
		{"an escalation below one", "policy: {escalation: 0.5}\n", `c.yaml:1:22: escalation is "0.5": want a number from 1`},
		{"strikes forgotten before a block ends", "policy: {max: 7d, forget: 1d}\n", "c.yaml:1:19: forget (1d) is shorter than max (7d)"},
		{"a limit of nothing", "guard: {too_many_blocks: 0}\n", `c.yaml:1:26: too_many_blocks is "0": want a whole number from 1 to 100000`},
		{"a share above one", "guard: {loss: 5}\n", `c.yaml:1:15: loss is "5": want a share above 0 and at most 1, such as 0.05 or 5%`},
		{"a width of everything", "guard: {width4: 0}\n", `c.yaml:1:17: width4 is "0": want a whole number from 16 to 32`},

		{"a rule without a name", "rules:\n  - window: 10m\n    when: requests > 9\n", "c.yaml:2:5: rule without a name: name:"},
		{"a rule without a window", "rules:\n  - name: a\n    when: requests > 9\n", "c.yaml:2:5: rule a: window: the window is missing"},
		{"a rule without a when", "rules:\n  - name: a\n    window: 10m\n", "c.yaml:2:5: rule a: when: there is no when"},
		{"a rule with a name that no mark holds", "rules:\n  - name: A b\n    window: 10m\n    when: requests > 9\n", "c.yaml:2:11: rule A b: name:"},
		{"a rule twice", rule + "  - name: flood\n    window: 10m\n    when: requests > 9\n", "c.yaml:5:11: rule flood: name: rules 1 and 2 have the same name"},
		{"a rule with an unknown group", rule + "    group: adress\n", "c.yaml:5:12: rule flood: group: unknown group"},
		{"a rule with an unknown mode", rule + "    mode: enforced\n", `c.yaml:5:11: mode is "enforced", want enforce or shadow: did you mean enforce?`},
		{"a rule that blocks for longer than max", rule + "    block: 48h\n", "c.yaml:5:12: rule flood: block: 2d is longer than policy's max of 1d"},
		{"a misspelt field", "rules:\n  - name: a\n    window: 10m\n    where: status == 404 && pth == \"/\"\n    when: requests > 9\n", "c.yaml:4:29: rule a: where: "},
		{"a misspelt field in double quotes", `rules: [{name: a, window: 10m, where: "method == \"GET\" && pth == \"/\"", when: requests > 9}]`, "c.yaml:1:61: rule a: where: "},
		{"a misspelt field in single quotes", `rules: [{name: a, window: 10m, where: 'path == "it''s" && pth == "/"', when: requests > 9}]`, "c.yaml:1:59: rule a: where: "},
		{"a misspelt field in a folded block", "rules:\n  - name: a\n    window: 10m\n    where: >-\n      status == 404\n      && pth == \"/\"\n    when: requests > 9\n", "c.yaml:6:10: rule a: where: "},
		{"a misspelt field in a literal block", "rules:\n  - name: a\n    window: 10m\n    where: |\n\n      status == 404\n        && pth == \"/\"\n    when: requests > 9\n", "c.yaml:7:12: rule a: where: "},
		{"a misspelt field on a second line", "rules:\n  - name: a\n    window: 10m\n    where: status == 404\n      && pth == \"/\"\n    when: requests > 9\n", "c.yaml:5:10: rule a: where: "},
		{"a misspelt measure", "rules:\n  - name: a\n    window: 10m\n    when: request > 9\n", "c.yaml:4:11: rule a: when: "},
		{"a class without a weight", rule + "classes:\n  - {name: a, where: blocked}\n", "c.yaml:6:5: class a has no weight: write a whole number from 0 to 100"},
		{"a class that is too heavy", rule + "classes:\n  - {name: a, where: blocked, weight: 101}\n", `c.yaml:6:39: weight is "101": want a whole number from 0 to 100`},
		{"a class of half a weight", rule + "classes:\n  - {name: a, where: blocked, weight: 0.5}\n", `c.yaml:6:39: weight is "0.5": want a whole number`},
		{"a class without a where", rule + "classes:\n  - name: a\n    weight: 0\n", "c.yaml:6:5: class a: where: there is no where"},
		{"a class without a name", rule + "classes:\n  - {where: blocked, weight: 0}\n", "c.yaml:6:5: class without a name: name: "},
		{"a class twice", rule + "classes:\n  - {name: a, where: blocked, weight: 0}\n  - {name: a, where: blocked, weight: 0}\n", "c.yaml:7:12: class a: name: classes 1 and 2 have the same name"},
		{"a class nothing is in", rule + "classes:\n  - {name: a, where: 'true', weight: 0}\n  - {name: b, where: blocked, weight: 2}\n", "c.yaml:7:22: class b: where: no request is in this class, since class a before it takes all"},
		{"a misspelt key of a class", rule + "classes:\n  - {name: a, where: blocked, wieght: 0}\n", `c.yaml:6:31: unknown key "wieght" in a class: did you mean weight?`},
		{"a misspelt field of a class", rule + "classes:\n  - name: a\n    where: >-\n      status == 404\n      && pth == \"/\"\n    weight: 0\n", `c.yaml:9:10: class a: where: unknown name "pth"; did you mean "path"?`},
		{"a measure in a class", rule + "classes: [{name: a, where: requests > 9, weight: 0}]\n", "c.yaml:5:28: class a: where: unknown name \"requests\" in where; it is a measure"},
		{"classes that are too many", rule + "classes:\n" + strings.Repeat("  - {name: a, where: blocked, weight: 0}\n", 17), "c.yaml:22:5: classes: 17 classes are too many; at most 16"},
		{"a misspelt field of a class without rules", "classes: [{name: a, where: pth == \"/\", weight: 0}]\n", "c.yaml:1:28: class a: where: "},
		{"a misspelt field of a service's class", rule + "services:\n  - {id: S, acls: a, classes: [{name: a, where: pth == \"/\", weight: 0}]}\n", "c.yaml:6:49: class a: where: "},
		{"a rule of a service", "services:\n  - id: S\n    acls: [a]\n    rules:\n      - {name: a, window: 10m, when: request > 9}\n", "c.yaml:5:38: rule a: when: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := config.Load(write(t, c.text))
			if err == nil {
				t.Fatalf("loaded as %+v", got)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is in the message: %v", err)
			}
			var fault *config.Error
			if !errors.As(err, &fault) || fault.File != "c.yaml" {
				t.Errorf("%T is no *Error with its file", err)
			}
		})
	}
}

func TestAServiceHasItsOwnClassesOrThoseOfTheFile(t *testing.T) {
	c, err := config.Load(write(t, `classes:
  - {name: static, where: path.startsWith("/static/"), weight: 0}
  - {name: login, where: path == "/login", weight: 20}
rules:
  - {name: flood, window: 10m, when: weight >= 3000}
services:
  - {id: A, acls: a}
  - {id: B, acls: a, classes: [{name: api, where: path.startsWith("/api/"), weight: 3}]}
  - {id: C, acls: a, rules: [{name: other, window: 10m, when: weight >= 9}]}
  - {id: D, acls: a, classes: []}
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"flood: static 0, login 20", "flood: api 3", "other: static 0, login 20", "flood: "} {
		rules, classes := c.RulesOf(c.Services[i])
		set, actions, err := config.Compile(rules, c.Period, classes...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, class := range set.Classes() {
			got = append(got, fmt.Sprintf("%s %d", class.Name, class.Weight))
		}
		if got := rules[0].Name + ": " + strings.Join(got, ", "); got != want {
			t.Errorf("service %s has %s, want %s", c.Services[i].ID, got, want)
		}
		if a := actions[rules[0].Name]; !a.CountsOnly || a.FloorOf != "weight" {
			t.Errorf("the action is %+v", a)
		}
	}
}

func TestLoadReportsAllFaultsInTheOrderOfTheFile(t *testing.T) {
	_, err := config.Load(write(t, `ownr: a
period: 5
rules:
  - name: a
    window: soon
    when: request > 9
    mod: enforce
guard: {loss: 7}
`))
	want := []string{
		`c.yaml:1:1: unknown key "ownr"`,
		`c.yaml:2:9: period:`,
		`c.yaml:5:13: window:`,
		`c.yaml:6:11: rule a: when:`,
		`c.yaml:7:5: unknown key "mod" in a rule: did you mean mode?`,
		`c.yaml:8:15: loss`,
	}
	got := lines(err)
	if len(got) != len(want) {
		t.Fatalf("%d faults, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("fault %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

func TestSecretsHaveNoKey(t *testing.T) {
	for _, text := range []string{
		"fastly_token: hunter2\n", "fastly: {token: hunter2}\n", "fastly: {api_key: hunter2}\n", "fastly: {apiKey: hunter2}\n",
		"password: hunter2\n", "bigquery: {table: a.b.c, credentials: hunter2}\n", "client-secret: hunter2\n", "services: [{id: S, acls: a, token: hunter2}]\n",
	} {
		_, err := config.Load(write(t, text))
		if err == nil || !strings.Contains(err.Error(), "secrets have no place in this file") || !strings.Contains(err.Error(), "FASTLY_API_TOKEN") {
			t.Errorf("%q: %v", text, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the message repeats the secret: %v", text, err)
		}
	}
}

// TestAConfigCanBePrintedWhole: nothing in it is a secret, by name, so no printing
// needs to mask anything.
func TestAConfigCanBePrintedWhole(t *testing.T) {
	secret := regexp.MustCompile(`(?i)token|secret|passw|credential|key`)
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			if secret.MatchString(f.Name) && !strings.HasSuffix(f.Name, "File") {
				t.Errorf("%s.%s may hold a secret", path, f.Name)
			}
			walk(f.Type, path+"."+f.Name)
		}
	}
	walk(reflect.TypeFor[config.Config](), "Config")
	if !seen[reflect.TypeFor[config.Service]()] || !seen[reflect.TypeFor[config.Rule]()] {
		t.Error("the walk did not reach the services and rules")
	}
}

func TestLoadRules(t *testing.T) {
	rules, _, err := config.LoadRules(write(t, rule))
	if err != nil || len(rules) != 1 || rules[0].Name != "flood" {
		t.Errorf("got %v, %v", rules, err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"a whole configuration", "owner: a\n" + rule, "c.yaml:1:1: owner does not belong in a file that holds only rules: give the whole file with --config"},
		{"no rules", "rules: []\n", "c.yaml:1:1: there are no rules"},
		{"nothing", "", "c.yaml: the file says nothing"},
		{"another key", "rule: []\n", `c.yaml:1:1: unknown key "rule" in a rules file: did you mean rules?`},
		{"a misspelt measure", "rules:\n  - name: a\n    window: 10m\n    when: request > 9\n", "c.yaml:4:11: rule a: when: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := config.LoadRules(write(t, c.text))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	if _, _, err := config.LoadRules("no-such-file.yaml"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "no-such-file.yaml") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := config.Load(t.TempDir()); err == nil {
		t.Error("a folder was read as a file")
	}
}

func TestAFileThatIsTooLongIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("# comment\n", 500_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

func TestWindowsLineEndsAndABOMAreRead(t *testing.T) {
	c, err := config.Load(write(t, "\ufeff"+strings.ReplaceAll("owner: a\n"+rule, "\n", "\r\n")))
	if err != nil || c.Owner != "a" || c.Rules[0].When != "requests >= 100" {
		t.Errorf("got %+v, %v", c, err)
	}
}
