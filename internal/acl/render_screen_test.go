package acl_test

import (
	"fmt"
	"strings"
	"testing"

	"edgewarden/internal/acl"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
	"edgewarden/internal/terminal"
)

// screenful renders a plan with the widest address and hostile, wide and combining text.
func screenful(t *testing.T, s terminal.Screen) string {
	t.Helper()
	p := shown(t)
	long := with(block("2001:db8:1234:5678::/64", 4_123_456), func(d *policy.Decision) {
		d.Rule, d.Strikes, d.Reason = "登录-ブルート", 3, strings.Repeat("e\u0301", 40)+" requests to "+strings.Repeat("漢字", 60)
		d.Offender.Evidence = &detect.Evidence{Country: "JP", ASN: 4_200_000_000, Paths: []detect.Count{{Value: strings.Repeat("/漢\u0301", 30), N: 1}}}
	})
	p.Changes = append(p.Changes, acl.Change{Op: acl.Create, ACL: b1, Prefix: long.Prefix, Mark: acl.Mark{Kind: policy.KindBlock, Rule: long.Rule, Strikes: 3, Until: t0}, Decision: &long, Reason: long.Reason})
	var b strings.Builder
	if err := acl.Render(&b, p, acl.RenderOptions{Screen: s, Undo: func(c acl.Change) string {
		return "blocker unblock " + c.Prefix.String() + strings.Repeat(" --flag", 20)
	}}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestNoLineIsWiderThanTheScreenButACommand(t *testing.T) {
	for _, width := range []int{60, 80, 200} {
		got := screenful(t, terminal.Screen{Width: width})
		for line := range strings.Lines(got) {
			line = strings.TrimSuffix(line, "\n")
			if w := terminal.Width(line); w > width && !strings.Contains(line, "undo: ") {
				t.Errorf("%d columns on a screen of %d: %s", w, width, line)
			}
		}
		for _, whole := range []string{"2001:db8:1234:5678::/64", "203.0.113.1/32", "198.51.100.0/24"} {
			if !strings.Contains(got, whole) {
				t.Errorf("width %d: %s is broken or cut:\n%s", width, whole, got)
			}
		}
	}
}

func TestColourAddsNothingButColour(t *testing.T) {
	plain, coloured := screenful(t, terminal.Screen{Width: 80}), screenful(t, terminal.Screen{Width: 80, Color: true})
	if !strings.Contains(coloured, "\x1b[32m+ block\x1b[0m") {
		t.Errorf("no green block:\n%q", coloured)
	}
	for _, style := range []terminal.Style{terminal.Good, terminal.Gone, terminal.Changed, terminal.Refused, terminal.Strong, terminal.Quiet} {
		coloured = strings.ReplaceAll(coloured, "\x1b["+string(style)+"m", "")
	}
	if coloured = strings.ReplaceAll(coloured, "\x1b[0m", ""); coloured != plain {
		t.Errorf("without its colours it reads otherwise:\n%s\n%s", plain, coloured)
	}
}

// bigPlan is a plan with n new blocks.
func bigPlan(n int) *acl.Plan {
	p := &acl.Plan{Now: t0}
	for i := range n {
		d := block(fmt.Sprintf("203.0.%d.%d", i/250, i%250), int64(n-i))
		p.Changes = append(p.Changes, acl.Change{Op: acl.Create, ACL: b1, Prefix: d.Prefix, Mark: acl.Mark{Kind: policy.KindBlock, Rule: d.Rule, Strikes: 1, Until: t0}, Decision: &d, Reason: d.Reason})
	}
	return p
}

func TestAHugePlanShowsItsTop(t *testing.T) {
	var b strings.Builder
	if err := acl.Render(&b, bigPlan(3000), acl.RenderOptions{Max: 60, More: "--all or --json"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "+ … and 2,940 more (--all or --json)\n") {
		t.Errorf("%s", b.String()[max(b.Len()-200, 0):])
	}
}

func BenchmarkRender3000(b *testing.B) {
	p := bigPlan(3000)
	for b.Loop() {
		var out strings.Builder
		if err := acl.Render(&out, p, acl.RenderOptions{Screen: terminal.Screen{Width: 80, Color: true}}); err != nil {
			b.Fatal(err)
		}
	}
}
