package acl_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
)

func TestAnUnknownServiceIsAskedForInPlainWords(t *testing.T) {
	_, url := edge(t, acltest.Options{Services: []string{"OTHER"}})
	_, err := client(t, url).Read(t.Context(), target)
	if err == nil {
		t.Fatal("there is no such service")
	}
	for _, want := range []string{"service SVC1", "404", "Couldn't find Service", "is the service id right, and may the token see it?"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing: %v", want, err)
		}
	}
	for _, not := range []string{"=>", "{", "0000-00-00"} {
		if strings.Contains(err.Error(), not) {
			t.Errorf("%q is left: %v", not, err)
		}
	}
	if acl.ByHandAdvice(err, target, nil, t0) != "" {
		t.Error("Fastly is not down")
	}
}

func TestWhenFastlyIsDownThereIsAWayByHand(t *testing.T) {
	status := http.StatusServiceUnavailable
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	_, err := client(t, down.URL).Read(t.Context(), target)
	down.Close()
	_, noAnswer := client(t, down.URL).Read(t.Context(), target)
	lease := &acl.Snapshot{ControlID: "x", EnforceUntil: t0.Add(time.Hour)}
	for name, tc := range map[string]struct {
		err  error
		s    *acl.Snapshot
		want string
	}{
		"a 503":                     {err, nil, "goes on enforcing what it has, at most until the lease ends"},
		"no connection":             {noAnswer, nil, "goes on enforcing"},
		"the lease is known":        {err, lease, "goes on enforcing what it has until 2"},
		"the lease is over":         {err, &acl.Snapshot{ControlID: "x", EnforceUntil: t0}, "enforces nothing"},
		"our own fault":             {errors.New("usage"), lease, ""},
		"a token that is wrong":     {&acl.APIError{What: "x", Status: http.StatusUnauthorized}, lease, ""},
		"a dry run":                 {&acl.APIError{What: "x", Err: acl.ErrReadOnly}, lease, ""},
		"the hourly budget":         {acl.ErrBudget, lease, ""},
		"a call that took too long": {&acl.APIError{What: "x", Err: context.DeadlineExceeded}, lease, "goes on enforcing"},
	} {
		got := acl.ByHandAdvice(tc.err, target, tc.s, t0)
		if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if got == "" {
			continue
		}
		for _, say := range []string{"service SVC1", "dictionary edgewarden_control", "enforce_until to 0", "ACL edgewarden_exempt"} {
			if !strings.Contains(got, say) {
				t.Errorf("%s: %q is missing in %q", name, say, got)
			}
		}
	}
}

func TestUsageCountsPlaces(t *testing.T) {
	s := snap(t, row{acl: b1, prefix: "203.0.113.1", comment: ours}, row{acl: b1, prefix: "203.0.113.2", comment: "a colleague's"},
		row{acl: acltest.Block2, prefix: "203.0.113.3", comment: ours}, row{acl: acltest.Shadow, prefix: "203.0.113.4", comment: ours})
	if u := s.Usage(0); u != (acl.Usage{Ours: 2, Foreign: 1, Capacity: 2000}) || u.Free() != 1997 || u.Room() != 1999 {
		t.Errorf("got %+v", u)
	}
	if u := s.Usage(1); u.Free() != 0 || u.Room() != 1 {
		t.Errorf("got %+v", u)
	}
	s.Blocks[1].ID = ""
	if u := s.Usage(10); u.Capacity != 10 || u.Ours != 1 {
		t.Errorf("an ACL that the version lacks has no places: %+v", u)
	}
}
