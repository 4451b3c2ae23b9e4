package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"edgewarden/internal/acl/acltest"
)

func TestCheckComplainsAboutATokenThatReachesMoreThanTheServices(t *testing.T) {
	tokens := map[string]acltest.Token{"narrow": {Services: []string{"SVC1"}}, "two-services": {Services: []string{"SVC1", "SVC2"}}, "whole-account": {}}
	for token, says := range map[string]string{
		"narrow":        "limited to the configured services",
		"two-services":  "it reaches more than the configured services ([SVC2])",
		"whole-account": "it reaches more than the configured services (all services of the account)",
	} {
		w := newWorld(t)
		w.edge = acltest.NewWith(acltest.Options{Services: []string{"SVC1", "SVC2"}, Tokens: tokens})
		server := httptest.NewServer(w.edge)
		defer server.Close()
		w.url, w.token = server.URL, token
		if o := w.run("check"); !strings.Contains(o.stdout, says) {
			t.Errorf("%s: check does not say %q:\n%s%s", token, says, o.stdout, o.stderr)
		}
	}
}
