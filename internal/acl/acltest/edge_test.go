package acltest_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastly/go-fastly/v8/fastly"

	"edgewarden/internal/acl/acltest"
)

func TestFaultsStrikeOnDemand(t *testing.T) {
	create := func(c *fastly.Client, id string) error {
		return c.BatchModifyACLEntries(&fastly.BatchModifyACLEntriesInput{ServiceID: "SVC1", ACLID: id, Entries: []*fastly.BatchACLEntry{
			{Operation: fastly.CreateBatchOperation, IP: fastly.String("203.0.113.1")}}})
	}
	for name, tc := range map[string]struct {
		fault   acltest.Fault
		applied int
		code    int
	}{
		"a reset after the write was applied": {acltest.Fault{Method: "PATCH", Reset: true}, 1, 0},
		"a reset before it was":               {acltest.Fault{Method: "PATCH", Drop: true}, 0, 0},
		"an empty 200":                        {acltest.Fault{Method: "PATCH", Empty: true}, 1, 0},
		"an HTML 503":                         {acltest.Fault{Method: "PATCH", Status: 503, Body: "<html>"}, 0, 503},
		"a 429":                               {acltest.Fault{Method: "PATCH", Status: 429, Body: `{"msg":"no"}`}, 0, 429},
		"the second match only, so the first not": {acltest.Fault{Method: "PATCH", Skip: 1, Status: 503}, 1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := acltest.New()
			c, _ := serve(t, s, "good")
			id := aclID(t, c, acltest.Block1)
			s.Fault(tc.fault)
			err := create(c, id)
			if (err == nil) != (tc.code == -1) || tc.code > 0 && status(err) != tc.code {
				t.Errorf("error %v, want status %d", err, tc.code)
			}
			if n := len(s.Entries("SVC1", acltest.Block1)); n != tc.applied {
				t.Errorf("%d entries, want %d", n, tc.applied)
			}
		})
	}
}

func TestAnAnswerCanBeHeldBack(t *testing.T) {
	s := acltest.New()
	c, _ := serve(t, s, "good")
	came, hold := make(chan struct{}), make(chan struct{})
	s.Fault(acltest.Fault{Path: "/acl", Before: func() { close(came) }, Wait: hold})
	done := make(chan error)
	go func() {
		_, err := c.ListACLs(&fastly.ListACLsInput{ServiceID: "SVC1", ServiceVersion: 1})
		done <- err
	}()
	<-came
	select {
	case err := <-done:
		t.Fatalf("answered while held: %v", err)
	default:
	}
	close(hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestABodyIsReadOnlyUpToACap(t *testing.T) {
	s := acltest.NewWith(acltest.Options{MaxBody: 100})
	c, url := serve(t, s, "good")
	resp, _ := do(t, "POST", url+"/service/SVC1/acl/"+aclID(t, c, acltest.Block1)+"/entry", "application/json", `{"ip":"`+strings.Repeat("1", 200)+`"}`)
	if resp.StatusCode != 413 {
		t.Errorf("200 bytes where 100 are read: %d", resp.StatusCode)
	}
}

func TestTheDateHeaderCanBeSkewed(t *testing.T) {
	s := acltest.NewWith(acltest.Options{Skew: -time.Hour, Now: func() time.Time { return time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC) }})
	_, url := serve(t, s, "good")
	if resp, _ := do(t, "GET", url+"/tokens/self", "", ""); resp.Header.Get("Date") != "Thu, 01 Jan 2026 09:00:00 GMT" {
		t.Errorf("Date: %s", resp.Header.Get("Date"))
	}
}

func TestTheEdgeDoesWhatTheVCLDoes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	bits := func(n int) *int { return &n }
	s := acltest.New()
	s.Put("SVC1", acltest.Block1, acltest.Entry{IP: "203.0.113.7"})
	s.Put("SVC1", acltest.Block2, acltest.Entry{IP: "198.51.100.77", Subnet: bits(24)})
	s.Put("SVC1", acltest.Block2, acltest.Entry{IP: "198.51.100.9", Negated: true})
	s.Put("SVC1", acltest.Block1, acltest.Entry{IP: "2001:db8:1:2::", Subnet: bits(64)})
	s.Put("SVC1", acltest.Exempt, acltest.Entry{IP: "198.51.100.5"})
	s.Put("SVC1", acltest.Shadow, acltest.Entry{IP: "192.0.2.0", Subnet: bits(24)})
	for name, tc := range map[string]struct {
		lease          int64
		ip             string
		blocked, would bool
	}{
		"a listed host":                              {now.Unix() + 1, "203.0.113.7", true, false},
		"the same, IPv4 mapped":                      {now.Unix() + 1, "::ffff:203.0.113.7", true, false},
		"its neighbour":                              {now.Unix() + 1, "203.0.113.8", false, false},
		"a host in a listed /24 with host bits":      {now.Unix() + 1, "198.51.100.1", true, false},
		"one exempt from it":                         {now.Unix() + 1, "198.51.100.5", false, false},
		"one negated in it":                          {now.Unix() + 1, "198.51.100.9", false, false},
		"a host in a listed IPv6 /64":                {now.Unix() + 1, "2001:db8:1:2:3::4", true, false},
		"a shadow entry passes and is noted":         {now.Unix() + 1, "192.0.2.3", false, true},
		"a lease that ends now":                      {now.Unix(), "203.0.113.7", false, false},
		"no lease at all":                            {-1, "203.0.113.7", false, false},
		"a shadow entry is noted without a lease":    {-1, "192.0.2.3", false, true},
		"an address nobody listed, and a long lease": {now.Unix() + 1e6, "192.0.3.1", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.lease >= 0 {
				s.PutItem("SVC1", acltest.Control, "enforce_until", fmt.Sprint(tc.lease))
			} else {
				s.PutItem("SVC1", acltest.Control, "enforce_until", "soon")
			}
			ip := netip.MustParseAddr(tc.ip)
			blocked, would := s.Verdict("SVC1", ip, now)
			if blocked != tc.blocked || would != tc.would || s.Blocked(ip, now) != blocked {
				t.Errorf("blocked %v, would block %v", blocked, would)
			}
		})
	}
}

func TestAChangeShowsAtTheEdgeAtOnce(t *testing.T) {
	s, now, ip := acltest.New(), time.Unix(100, 0), netip.MustParseAddr("203.0.113.7")
	s.PutItem("SVC1", acltest.Control, "enforce_until", "200")
	if s.Blocked(ip, now) {
		t.Fatal("blocked by an empty ACL")
	}
	id := s.Put("SVC1", acltest.Block1, acltest.Entry{IP: ip.String()})
	if !s.Blocked(ip, now) {
		t.Error("not blocked after Put")
	}
	if !s.Remove("SVC1", acltest.Block1, id) || s.Blocked(ip, now) {
		t.Error("blocked after Remove")
	}
}

func TestManyHandsAtOnce(t *testing.T) {
	s := acltest.New()
	c, url := serve(t, s, "good")
	base := url + "/service/SVC1/acl/" + aclID(t, c, acltest.Block1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				do(t, "POST", base+"/entry", "application/json", fmt.Sprintf(`{"ip":"10.0.%d.%d"}`, i, j))
				s.Blocked(netip.MustParseAddr("10.0.0.1"), time.Now())
				s.Requests()
			}
		})
	}
	wg.Wait()
	if n := len(s.Entries("SVC1", acltest.Block1)); n != 40 {
		t.Errorf("%d entries of 40 writes", n)
	}
}

func TestLogLinesAreCountedInTheStatistics(t *testing.T) {
	s := acltest.New()
	c, _ := serve(t, s, "good")
	at := time.Unix(1_800_000_000, 0)
	s.AddLogged("SVC1", at, 7)
	s.AddLogged("SVC1", at.Add(time.Second), 5)
	s.AddLogged("SVC1", at.Add(time.Hour), 100)
	got, err := c.GetStats(&fastly.GetStatsInput{Service: "SVC1", From: fmt.Sprint(at.Unix()), To: fmt.Sprint(at.Unix() + 60), By: "minute"})
	if err != nil || len(got.Data) != 1 || got.Data[0].Log != 12 {
		t.Errorf("stats: %+v %v", got, err)
	}
}

func BenchmarkBlocked(b *testing.B) {
	s := acltest.New()
	s.PutItem("SVC1", acltest.Control, "enforce_until", "200")
	for i := range 1000 {
		s.Put("SVC1", acltest.Block1, acltest.Entry{IP: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()})
	}
	ip, now := netip.MustParseAddr("192.0.2.1"), time.Unix(100, 0)
	b.ReportAllocs()
	for b.Loop() {
		s.Blocked(ip, now)
	}
}
