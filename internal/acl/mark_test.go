package acl_test

import (
	"strings"
	"testing"
	"time"

	"edgewarden/internal/acl"
	"edgewarden/internal/policy"
)

var t0 = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

func TestAMarkSaysWhoWhyAndUntilWhen(t *testing.T) {
	m := acl.Mark{Owner: "edgewarden", Kind: policy.KindBlock, Until: t0.Add(time.Hour), Since: t0, Strikes: 2, Rule: "login-bruteforce", Run: "20260506T070809Z-a1"}
	want := "ew1 o=edgewarden k=b u=1778054889 s=1778051289 n=2 r=login-bruteforce i=20260506T070809Z-a1"
	if got := m.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got, ours, err := acl.ParseMark(want, "edgewarden")
	if got != m || !ours || err != nil {
		t.Errorf("read back as %+v, %v, %v", got, ours, err)
	}
}

func TestNoExpiryIsWrittenAsZero(t *testing.T) {
	s := acl.Mark{Owner: "e", Kind: policy.KindAllow, Rule: "x", Run: "y"}.String()
	if s != "ew1 o=e k=a u=0 s=0 n=0 r=x i=y" {
		t.Errorf("got %s", s)
	}
	if m, _, err := acl.ParseMark(s, "e"); err != nil || !m.Until.IsZero() {
		t.Errorf("read back as %+v, %v", m, err)
	}
}

func TestTheLongestMarkFits(t *testing.T) {
	m := acl.Mark{Owner: strings.Repeat("o", 99), Kind: policy.KindShadow, Until: time.Unix(1<<60, 0), Since: time.Unix(1<<60, 0), Strikes: 1 << 40, Rule: strings.Repeat("r", 99), Run: strings.Repeat("i", 99)}
	s := m.String()
	if len(s) > acl.MaxMark {
		t.Errorf("%d bytes", len(s))
	}
	if _, ours, err := acl.ParseMark(s, strings.Repeat("o", 24)); !ours || err != nil {
		t.Errorf("%s: %v, %v", s, ours, err)
	}
}

func TestAMarkIsReadStrictly(t *testing.T) {
	const good = "ew1 o=edgewarden k=b u=1778054889 s=1778051289 n=2 r=a i=b"
	for name, tc := range map[string]struct {
		comment string
		ours    bool
		ok      bool
	}{
		"a mark of ours":                        {good, true, true},
		"an empty comment":                      {"", false, true},
		"a colleague's words":                   {"blocked by Ann, ticket 12", false, true},
		"another owner's mark":                  {strings.Replace(good, "edgewarden", "staging", 1), false, true},
		"an owner that begins with ours":        {strings.Replace(good, "edgewarden", "edgewarden-staging", 1), false, true},
		"a mark of a newer release":             {strings.Replace(good, "ew1", "ew2", 1), true, false},
		"a newer mark of another owner":         {"ew2 o=edgewarden-staging k=b", false, true},
		"a word that is no version":             {strings.Replace(good, "ew1", "ewe", 1), false, true},
		"a mark in the middle of a comment":     {"see " + good, false, true},
		"a mark cut short":                      {good[:30], true, false},
		"only the owner":                        {"ew1 o=edgewarden", true, false},
		"words after it":                        {good + " keep!", true, false},
		"a blank at its end":                    {good + " ", true, false},
		"two blanks between parts":              {strings.Replace(good, " k", "  k", 1), true, false},
		"parts out of order":                    {"ew1 o=edgewarden u=1778054889 k=b s=1778051289 n=2 r=a i=b", true, false},
		"an unknown kind":                       {strings.Replace(good, "k=b", "k=z", 1), true, false},
		"two kinds":                             {strings.Replace(good, "k=b", "k=bx", 1), true, false},
		"a time that is no number":              {strings.Replace(good, "u=1778054889", "u=soon", 1), true, false},
		"a negative time":                       {strings.Replace(good, "u=1778054889", "u=-1", 1), true, false},
		"a number with a leading zero":          {strings.Replace(good, "n=2", "n=02", 1), true, false},
		"a number too large":                    {strings.Replace(good, "n=2", "n=10000", 1), true, false},
		"an empty rule":                         {strings.Replace(good, "r=a", "r=", 1), true, false},
		"a rule with capitals":                  {strings.Replace(good, "r=a", "r=A", 1), true, false},
		"a rule too long":                       {strings.Replace(good, "r=a", "r="+strings.Repeat("a", 49), 1), true, false},
		"a line end in the run":                 {good + "\n", true, false},
		"an owner written as ours but cut open": {"ew1 o=edgewarden\tk=b", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, ours, err := acl.ParseMark(tc.comment, "edgewarden")
			if ours != tc.ours || (err == nil) != tc.ok {
				t.Errorf("ours %v, err %v", ours, err)
			}
		})
	}
	if _, ours, _ := acl.ParseMark("ew1 o= k=b", ""); ours {
		t.Error("the empty owner owns something")
	}
}

func TestOwnersAreChecked(t *testing.T) {
	for _, bad := range []string{"", "Big", "a b", "ä", strings.Repeat("a", 25), "a_b"} {
		if acl.CheckOwner(bad) == nil {
			t.Errorf("owner %q passes", bad)
		}
	}
	if acl.CheckOwner("edgewarden-2") != nil {
		t.Error("a good name is refused")
	}
}

func FuzzMarkRoundTrip(f *testing.F) {
	f.Add("edgewarden", "block", int64(1), int64(2), 3, "rule", "run")
	f.Add("", "x", int64(-1), int64(1<<60), -3, "a rule \x1b[31m", strings.Repeat("é", 50))
	f.Fuzz(func(t *testing.T, owner, kind string, until, since int64, strikes int, rule, run string) {
		m := acl.Mark{Owner: owner, Kind: policy.Kind(kind), Until: time.Unix(until, 0), Since: time.Unix(since, 0), Strikes: strikes, Rule: rule, Run: run}
		s := m.String()
		if len(s) > acl.MaxMark {
			t.Fatalf("%d bytes: %s", len(s), s)
		}
		fields := strings.Fields(s)
		got, ours, err := acl.ParseMark(s, strings.TrimPrefix(fields[1], "o="))
		if !ours || err != nil {
			t.Fatalf("%q cannot be read back: %v", s, err)
		}
		if got.String() != s || !got.Same(m) {
			t.Fatalf("%q read back is %q", s, got)
		}
	})
}

func FuzzParseMark(f *testing.F) {
	f.Add("ew1 o=edgewarden k=b u=1 s=2 n=3 r=a i=b")
	f.Add("ew1 o=edgewarden k=b u=00 s=2 n=3 r=a i=b")
	f.Fuzz(func(t *testing.T, comment string) {
		m, ours, err := acl.ParseMark(comment, "edgewarden")
		if err != nil && !ours {
			t.Fatal("a comment that is not ours has an error")
		}
		if ours && err == nil && m.String() != comment {
			t.Fatalf("%q was read, but is written as %q", comment, m)
		}
	})
}
