package lists_test

import (
	"strings"
	"testing"
	"time"

	"edgewarden/internal/lists"
)

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.9": "203.0.113.9/32", "203.0.113.0/24": "203.0.113.0/24", "2001:DB8::1": "2001:db8::1/128", "2001:db8::/64": "2001:db8::/64",
		"::ffff:203.0.113.9": "203.0.113.9/32", "::ffff:203.0.113.0/120": "203.0.113.0/24", "::/0": "::/0", "0.0.0.0/0": "0.0.0.0/0",
	} {
		if got, err := lists.ParsePrefix(in); err != nil || got.String() != want {
			t.Errorf("ParsePrefix(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "neither an address", "example.com": "neither an address", "203.0.113.9/33": "neither an address", "203.0.113.009": "neither an address",
		"203.0.113.9/24": "write 203.0.113.0/24 for the network or 203.0.113.9 for the host", "fe80::1%eth0": "leave %eth0 away", " 203.0.113.9": "neither an address",
	} {
		if got, err := lists.ParsePrefix(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePrefix(%q) = %v, %v, want an error with %q", in, got, err, want)
		}
	}
}

func TestParseUntil(t *testing.T) {
	for in, want := range map[string]time.Time{
		"": {}, "2031-05-06": time.Date(2031, 5, 7, 0, 0, 0, 0, time.UTC), "2031-05-06T07:08:09Z": time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC),
		"2031-05-06T07:08:09+02:00": time.Date(2031, 5, 6, 5, 8, 9, 0, time.UTC),
	} {
		if got, err := lists.ParseUntil(in); err != nil || !got.Equal(want) {
			t.Errorf("ParseUntil(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"tomorrow", "2031-02-30", "06.05.2031", "0"} {
		if got, err := lists.ParseUntil(in); err == nil {
			t.Errorf("ParseUntil(%q) = %v, want an error", in, got)
		}
	}
}

func TestParseText(t *testing.T) {
	entries, err := lists.ParseText(strings.NewReader(`# our offices

203.0.113.0/24                     # Berlin
  198.51.100.7   until=2031-05-06  #  load test, #4711
`), lists.Allowlist, "")
	want := []lists.Entry{
		{Prefix: p("203.0.113.0/24"), Reason: "Berlin", List: "allowlist"},
		{Prefix: p("198.51.100.7/32"), Reason: "load test, #4711", Until: time.Date(2031, 5, 7, 0, 0, 0, 0, time.UTC), List: "allowlist"},
	}
	if err != nil || len(entries) != 2 || entries[0] != want[0] || entries[1] != want[1] {
		t.Errorf("got %+v, %v", entries, err)
	}
}

func TestParseTextReportsEveryFaultAndKeepsTheGoodLines(t *testing.T) {
	entries, err := lists.ParseText(strings.NewReader("203.0.113.9\nexample.com # x\n203.0.113.9 forever # x\n203.0.113.8 until=never # x\n203.0.113.7 # good\n"), lists.Allowlist, "")
	if len(entries) != 1 || entries[0].Reason != "good" {
		t.Errorf("got %+v", entries)
	}
	if err == nil {
		t.Fatal("no faults")
	}
	for i, want := range []string{"line 1: 203.0.113.9 has no reason", "line 2: ", "line 3: ", "line 4: "} {
		if got := strings.Split(err.Error(), "\n"); i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("fault %d of %v is not %q", i, got, want)
		}
	}
}

func FuzzParsePrefix(f *testing.F) {
	for _, s := range []string{"203.0.113.9", "::ffff:1.2.3.4/96", "::/0", "1.2.3.4/0", "fe80::1%x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := lists.ParsePrefix(s)
		if err != nil {
			return
		}
		if again, err := lists.ParsePrefix(got.String()); err != nil || again != got || lists.Canonical(got) != got {
			t.Fatalf("%q gives %v, which gives %v, %v", s, got, again, err)
		}
	})
}
