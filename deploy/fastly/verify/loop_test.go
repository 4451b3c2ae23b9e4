package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
)

// The loop, with the real programs and the real VCL; only Fastly's machines are played, by an interpreter and by acltest:
//
//	requests -> VCL in the interpreter -> log line -> TCP -> ingest -> lake -> blocker -> Fastly's API (acltest)
//	                  ^                                                                         |
//	                  '----------------- ACL entries and dictionary, fetched -------------------'
func TestTheLoop(t *testing.T) {
	api := acltest.New()
	fastly := httptest.NewServer(api)
	t.Cleanup(fastly.Close)
	in := startIngest(t)

	// Before: nobody is blocked. Two attackers guess passwords, one from IPv6; customers come and go.
	attackers := []string{"203.0.113.9", "2001:db8:1:2::77"}
	var customers []string
	for n := range 40 {
		customers = append(customers, fmt.Sprintf("198.51.100.%d", n+1), fmt.Sprintf("2001:db8:2:%x::1", n+1))
	}
	e := newEdge(shop(t, fetch(t, fastly.URL), generated()))
	status := func(addr, method, path string) int {
		t.Helper()
		w, line := e.ask(t, addr, httptest.NewRequest(method, "http://shop.example.com"+path, nil))
		in.send(t, line)
		return w.Code
	}
	everybody := func(attacker int) {
		t.Helper()
		for _, a := range attackers {
			if got := status(a, "GET", "/"); got != attacker {
				t.Errorf("%s gets %d, want %d", a, got, attacker)
			}
		}
		for _, c := range customers {
			if got := status(c, "GET", "/"); got != 200 {
				t.Errorf("customer %s gets %d", c, got)
			}
		}
	}
	everybody(200)
	for range 70 {
		for _, a := range attackers {
			if got := status(a, "POST", "/login"); got != 401 {
				t.Fatalf("the attack is answered %d", got)
			}
		}
	}
	if n := len(in.stored(t)); n != in.sent {
		t.Fatalf("%d records in the lake, %d lines sent", n, in.sent)
	}

	// A dry run says what it would do and changes nothing; a run does it.
	if out := block(t, in.lake, fastly.URL, "--dry-run"); !strings.Contains(out, "203.0.113.9") {
		t.Errorf("the dry run does not name the attacker:\n%s", out)
	}
	if l := fetch(t, fastly.URL); len(l.acls["edgewarden_1"]) != 0 || l.enforceUntil != "" {
		t.Fatalf("a dry run wrote to the edge: %+v", l)
	}
	block(t, in.lake, fastly.URL)
	l := fetch(t, fastly.URL)
	if want := "[203.0.113.9/32 2001:db8:1:2::/64]"; fmt.Sprint(l.acls["edgewarden_1"]) != want {
		t.Fatalf("blocked: %v, want %s", l.acls["edgewarden_1"], want)
	}

	// After: the attackers are refused, everybody else is served, and the refusals are logged as ours.
	e = newEdge(shop(t, l, generated()))
	everybody(403)
	rows := in.stored(t)
	for _, r := range rows[len(rows)-len(attackers)-len(customers):] {
		attacker := r.ClientIP == attackers[0] || r.ClientIP == attackers[1]
		if r.Blocked != attacker || r.Blocked != (r.Status == 403) {
			t.Errorf("%s: blocked %v, status %d", r.ClientIP, r.Blocked, r.Status)
		}
	}

	// On-call takes one block back: that address passes, the other stays out.
	blocker(t, in.lake, fastly.URL, "unblock", attackers[0], "--reason", "a customer after all")
	e = newEdge(shop(t, fetch(t, fastly.URL), generated()))
	if a, b := status(attackers[0], "GET", "/"), status(attackers[1], "GET", "/"); a != 200 || b != 403 {
		t.Errorf("after unblock %s gets %d and %s gets %d", attackers[0], a, attackers[1], b)
	}

	// The kill switch lets everybody in, and the next run after start enforces again.
	blocker(t, in.lake, fastly.URL, "stop", "--reason", "drill")
	e = newEdge(shop(t, fetch(t, fastly.URL), generated()))
	everybody(200)
	blocker(t, in.lake, fastly.URL, "start", "--reason", "drill is over")
	in.stored(t)
	block(t, in.lake, fastly.URL)
	e = newEdge(shop(t, fetch(t, fastly.URL), generated()))
	if got := status(attackers[1], "GET", "/"); got != 403 {
		t.Errorf("after start %s gets %d", attackers[1], got)
	}

	// The blocker dies: the lease ends, and so does every block.
	api.PutItem(acltest.Service, acltest.Control, "enforce_until", until(time.Now().Add(-time.Second)))
	e = newEdge(shop(t, fetch(t, fastly.URL), generated()))
	everybody(200)
	in.stored(t)
	in.stop(t)
}

const loopConfig = `owner: loop
rules:
  - name: login-bruteforce
    where: method == "POST" && path.startsWith("/login") && status in [401, 403]
    window: 15m
    when: requests >= 60
    block: 1h
    mode: enforce
`

// block runs the real blocker over what is in the lake now.
func block(t *testing.T, lake, api string, more ...string) string {
	t.Helper()
	return blocker(t, lake, api, "run", append(more, "--now", time.Now().UTC().Add(2*time.Second).Format(time.RFC3339))...)
}

// blocker runs one command of it.
func blocker(t *testing.T, lake, api, command string, more ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "edgewarden.yaml")
	if err := os.WriteFile(file, []byte(loopConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program(t, "blocker"), append([]string{command, "--config", file, "--lake", lake, "--service-id", acltest.Service,
		"--acl", "edgewarden_1,edgewarden_2", "--fastly-endpoint", api}, more...)...)
	cmd.Env = append(os.Environ(), "FASTLY_API_TOKEN=loop")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("blocker %s: %v\n%s%s", command, err, out, stderr.String())
	}
	return string(out)
}

// fetch reads ACL entries and dictionary from Fastly's API, as a Fastly node would be told of them.
func fetch(t *testing.T, api string) lists {
	t.Helper()
	l := lists{acls: map[string][]netip.Prefix{}}
	var acls []struct{ ID, Name string }
	get(t, api+"/service/SVC1/version/1/acl", &acls)
	for _, a := range acls {
		var entries []struct {
			IP      string
			Subnet  *int
			Negated string
		}
		get(t, api+"/service/SVC1/acl/"+a.ID+"/entries?per_page=1000", &entries)
		for _, e := range entries {
			addr, err := netip.ParseAddr(e.IP)
			if err != nil || e.Negated != "0" {
				t.Fatalf("entry %+v: %v", e, err)
			}
			bits := addr.BitLen()
			if e.Subnet != nil {
				bits = *e.Subnet
			}
			l.acls[a.Name] = append(l.acls[a.Name], netip.PrefixFrom(addr, bits))
		}
	}
	var dict struct{ ID string }
	get(t, api+"/service/SVC1/version/1/dictionary/edgewarden_control", &dict)
	var items []struct {
		Key   string `json:"item_key"`
		Value string `json:"item_value"`
	}
	get(t, api+"/service/SVC1/dictionary/"+dict.ID+"/items", &items)
	for _, it := range items {
		if it.Key == "enforce_until" {
			if _, err := strconv.ParseInt(it.Value, 10, 64); err != nil {
				t.Fatal(err)
			}
			l.enforceUntil = it.Value
		}
	}
	return l
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Fastly-Key", "loop")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(errors.New(url + ": " + resp.Status))
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}
