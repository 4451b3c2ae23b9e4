package acltest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl/acltest"
)

func TestATokenSaysWhichServicesItReaches(t *testing.T) {
	two := []string{"SVC1", "SVC2"}
	for name, tc := range map[string]struct {
		o     acltest.Options
		token string
		want  []string
	}{
		"any token is limited to the services there are": {acltest.Options{}, "any", []string{"SVC1"}},
		"to both":                 {acltest.Options{Services: two}, "any", two},
		"unless it is global":     {acltest.Options{GlobalToken: true}, "any", nil},
		"one that was described":  {acltest.Options{Services: two, Tokens: map[string]acltest.Token{"one": {Services: two[:1]}}}, "one", two[:1]},
		"one described as global": {acltest.Options{Tokens: map[string]acltest.Token{"all": {}}}, "all", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, acltest.NewWith(tc.o), tc.token)
			self, err := c.GetTokenSelf()
			if err != nil || !slices.Equal(self.Services, tc.want) {
				t.Errorf("got %v, %v, want %v", self, err, tc.want)
			}
		})
	}
}

func TestFastlysRangesNeedNoToken(t *testing.T) {
	s := acltest.NewWith(acltest.Options{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	_, url := serve(t, s, "any")
	resp, body := do(t, "GET", url+"/public-ip-list", "", "")
	if resp.StatusCode != 200 || !strings.Contains(body, `"addresses":["23.235.32.0/20"]`) || !strings.Contains(body, `"ipv6_addresses":["2a04:4e40::/32"]`) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}
