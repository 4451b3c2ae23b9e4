package acl_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/acl/acltest"
)

func lease(s *acltest.Server) string   { return s.Dictionary("SVC1", acltest.Control)["enforce_until"] }
func stopped(s *acltest.Server) string { return s.Dictionary("SVC1", acltest.Control)["stopped"] }

func TestTheLeaseMovesOn(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url)
	present := read(t, c)
	for _, until := range []time.Time{later, later.Add(time.Hour)} {
		if err := c.SetLease(t.Context(), present, until); err != nil {
			t.Fatal(err)
		}
		if got := read(t, c).EnforceUntil; !got.Equal(until) {
			t.Errorf("the lease is %s, want %s", got, until)
		}
	}
	if err := c.SetLease(t.Context(), present, time.Time{}); err != nil || lease(s) != "0" || !read(t, c).EnforceUntil.IsZero() {
		t.Errorf("no time: %v, %q", err, lease(s))
	}
}

func TestStopAndStart(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url)
	present := read(t, c)
	if err := c.SetLease(t.Context(), present, later); err != nil {
		t.Fatal(err)
	}
	writes := s.Writes()
	if err := c.Stop(t.Context(), present, t0, "ann@example.com\x1b[2J"); err != nil {
		t.Fatal(err)
	}
	if s.Writes() != writes+1 {
		t.Errorf("%d writes to stop, want one", s.Writes()-writes)
	}
	if lease(s) != "0" || stopped(s) != `1778051289 ann@example.com\x1b[2J` {
		t.Errorf("lease %q, stopped %q", lease(s), stopped(s))
	}
	if err := c.SetLease(t.Context(), present, later); !errors.Is(err, acl.ErrStopped) || lease(s) != "0" {
		t.Errorf("a stopped lease moves: %v, %q", err, lease(s))
	}
	for range 2 { // the second finds nothing to clear
		if err := c.Start(t.Context(), present); err != nil || stopped(s) != "" {
			t.Errorf("%v, stopped %q", err, stopped(s))
		}
	}
	if err := c.SetLease(t.Context(), present, later); err != nil {
		t.Error(err)
	}
}

func TestARunCannotUndoAStopThatComesWhileItWrites(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url)
	present := read(t, c)
	s.Fault(acltest.Fault{Method: "PATCH", Before: func() {
		s.PutItem("SVC1", acltest.Control, "enforce_until", "0")
		s.PutItem("SVC1", acltest.Control, "stopped", "1 ann")
	}})
	if err := c.SetLease(t.Context(), present, later); !errors.Is(err, acl.ErrStopped) || lease(s) != "0" {
		t.Errorf("%v, the lease is %q", err, lease(s))
	}
}

func TestControlWritesAreReadBackAndTriedAgain(t *testing.T) {
	for name, f := range map[string]acltest.Fault{
		"a reset after it was applied": {Times: 2, Reset: true},
		"a reset before":               {Times: 2, Drop: true},
		"an empty 200":                 {Times: 2, Empty: true},
		"a 200 that did nothing":       {Times: 2, Status: 200, Body: `{"status":"ok"}`},
		"a 503":                        {Times: 2, Status: 503},
		"a 429":                        {Times: 2, Status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := edge(t, acltest.Options{})
			c := client(t, url)
			present := read(t, c)
			f.Method = http.MethodPatch
			s.Fault(f)
			if err := c.Stop(t.Context(), present, t0, "ann"); err != nil || lease(s) != "0" || !strings.HasSuffix(stopped(s), " ann") {
				t.Errorf("stop: %v, lease %q, stopped %q", err, lease(s), stopped(s))
			}
			s.ClearFaults()
			f.Method = http.MethodDelete
			s.Fault(f)
			if err := c.Start(t.Context(), present); err != nil || stopped(s) != "" {
				t.Errorf("start: %v, stopped %q", err, stopped(s))
			}
			s.ClearFaults()
			f.Method = http.MethodPatch
			s.Fault(f)
			if err := c.SetLease(t.Context(), present, later); err != nil || lease(s) != "1778054889" {
				t.Errorf("lease: %v, %q", err, lease(s))
			}
		})
	}
}

func TestControlWritesThatDoNotTakeEffectAreErrors(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url)
	present := read(t, c)
	s.PutItem("SVC1", acltest.Control, "stopped", "1 ann")
	s.Fault(acltest.Fault{Method: "PATCH", Times: -1, Status: 200, Body: `{"status":"ok"}`})
	s.Fault(acltest.Fault{Method: "DELETE", Times: -1, Status: 200, Body: `{"status":"ok"}`})
	if err := c.Stop(t.Context(), present, t0, "bob"); err == nil || !strings.Contains(err.Error(), "another value") {
		t.Errorf("stop: %v", err)
	}
	if err := c.Start(t.Context(), present); err == nil || !strings.Contains(err.Error(), "still there") {
		t.Errorf("start: %v", err)
	}
}

func TestWithoutADictionaryThereIsNoLease(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	s.RemoveDictionary("SVC1", acltest.Control)
	c := client(t, url)
	for _, present := range []*acl.Snapshot{read(t, c), acl.EmptySnapshot(target)} {
		for name, err := range map[string]error{
			"lease": c.SetLease(t.Context(), present, later), "stop": c.Stop(t.Context(), present, t0, "ann"), "start": c.Start(t.Context(), present),
		} {
			if err == nil || !strings.Contains(err.Error(), acltest.Control) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if s.Writes() != 0 {
		t.Errorf("%d writes", s.Writes())
	}
}

func TestTheKillSwitchWorksWhenTheBudgetIsUsedUp(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	c := client(t, url, func(o *acl.ClientOptions) { o.WriteBudget = 1 })
	present := read(t, c)
	for range 3 {
		if err := c.Stop(t.Context(), present, t0, "ann"); err != nil || stopped(s) == "" {
			t.Errorf("%v", err)
		}
	}
}

func TestWhatTheDictionaryHoldsIsReadWithCare(t *testing.T) {
	s, url := edge(t, acltest.Options{})
	for value, want := range map[string]time.Time{"soon": {}, "0": {}, "-5": {}, "1778054889": later} {
		s.PutItem("SVC1", acltest.Control, "enforce_until", value)
		if got := read(t, client(t, url)).EnforceUntil; !got.Equal(want) {
			t.Errorf("enforce_until %q is read as %s", value, got)
		}
	}
}
