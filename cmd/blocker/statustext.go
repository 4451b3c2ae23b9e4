package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/plain"
	"edgewarden/internal/terminal"
)

// screenLines is how many lines a screen has that nobody made larger; one stays free for the prompt.
const screenLines = 24 - 1

// leastEntries is how many entries of a service are shown although problems fill the screen.
const leastEntries = 3

// statusText is what status prints: on a terminal one screen for each service, what matters most first.
func statusText(docs []statusDoc, now time.Time, v view) string {
	var b strings.Builder
	for _, d := range docs {
		d.text(&b, now, v)
	}
	return b.String()
}

// text prints one service: is it enforced, what is wrong, how much is blocked, then what is blocked.
func (d statusDoc) text(b *strings.Builder, now time.Time, v view) {
	id := plain.Text(d.ServiceID, 40)
	if d.Error != "" {
		v.say(b, terminal.Alarm, "service "+id+": FAILED:", d.Error)
		return
	}
	var head strings.Builder
	fmt.Fprintf(&head, "service %s, active version %d\n", id, d.Version)
	switch {
	case d.Stopped != "":
		v.say(&head, terminal.Alarm, "STOPPED", "by "+stoppedBy(d.Stopped)+": nothing is enforced")
		fmt.Fprintf(&head, "undo: blocker start --reason 'undo stop' %s\n", v.again(d.ServiceID)) // whole, to be copied
	case d.EnforceUntil == nil || d.EnforceUntil.Before(now):
		v.say(&head, terminal.Alarm, "NOT ENFORCING:", "the lease has ended or never began; the next successful run moves it")
	default:
		fmt.Fprintf(&head, "enforcing until %s (%s)\n", d.EnforceUntil.UTC().Format(time.RFC3339), short(d.EnforceUntil.Sub(now).Round(time.Second)))
	}
	for _, p := range d.Problems {
		v.say(&head, terminal.Alarm, "PROBLEM:", p)
	}
	v.say(&head, terminal.Strong, "", d.counts(now))
	if rules := d.byRule(); rules != "" {
		v.say(&head, "", "", rules)
	}
	for _, a := range d.ACLs {
		state := "missing"
		if a.Found {
			state = fmt.Sprintf("%d ours, %d foreign", a.Ours, a.Foreign)
		}
		fmt.Fprintf(&head, "  %-6s ACL %s: %s\n", a.Role, plain.Text(a.Name, 60), state)
	}
	b.WriteString(head.String())
	d.entries(b, now, v, screenLines-strings.Count(head.String(), "\n"))
}

// entries prints as many entries as room lines hold; on a narrow screen one takes more than a line.
func (d statusDoc) entries(b *strings.Builder, now time.Time, v view, room int) {
	shown, used := d.ranked(), 0
	for i, e := range shown {
		var one strings.Builder
		e.text(&one, now, v)
		used += strings.Count(one.String(), "\n")
		last := i == len(shown)-1
		if v.max() > 0 && i >= leastEntries && (used > room || used == room && !last) { // a line is left for what is not shown
			fmt.Fprintf(b, "  … and %s more (--all or --json)\n", thousands(int64(len(shown)-i)))
			return
		}
		b.WriteString(one.String())
	}
}

// counts is the sentence to read aloud.
func (d statusDoc) counts(now time.Time) string {
	kinds, manual, soon := map[string]int{}, 0, 0
	for _, e := range d.Entries {
		kinds[e.Kind]++
		if e.Kind != "block" {
			continue
		}
		if e.Rule == ruleManual {
			manual++
		}
		if e.Until != nil && e.Until.Before(now.Add(15*time.Minute)) {
			soon++
		}
	}
	text := thousands(int64(kinds["block"])) + " blocked"
	for _, part := range []struct {
		n    int
		what string
	}{{manual, "by hand"}, {soon, "end within 15m"}, {kinds["exempt"], "exempted"}, {kinds["allow"], "allowlisted"}, {kinds["shadow"], "in the shadow ACL"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %s %s", thousands(int64(part.n)), part.what)
		}
	}
	return text
}

// byRule is how many blocks each rule has, most first; "" for one rule or none, which the entries show.
func (d statusDoc) byRule() string {
	n := map[string]int{}
	for _, e := range d.Entries {
		if e.Kind == "block" {
			n[e.Rule]++
		}
	}
	if len(n) < 2 {
		return ""
	}
	var names []string
	for name := range n {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(n[b]-n[a], strings.Compare(a, b)) })
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %s", plain.Text(name, 60), thousands(int64(n[name]))))
	}
	return "by rule: " + strings.Join(parts, ", ")
}

var kindOrder = map[string]int{"block": 0, "exempt": 1, "shadow": 2, "allow": 3}

// ranked puts first what an engineer asks for first: blocks, those by hand before those of rules, the newest on top.
func (d statusDoc) ranked() []statusEntry {
	out := slices.Clone(d.Entries)
	hand := func(e statusEntry) int {
		if e.Rule == ruleManual {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b statusEntry) int {
		return cmp.Or(cmp.Compare(kindOrder[a.Kind], kindOrder[b.Kind]), cmp.Compare(hand(a), hand(b)), b.Since.Compare(a.Since), strings.Compare(a.Prefix, b.Prefix))
	})
	return out
}

// wideScreen is how many columns a screen needs to show when an entry was made, by which run, and where it is.
const wideScreen = 140

// text prints one entry on one line.
func (e statusEntry) text(b *strings.Builder, now time.Time, v view) {
	fields := []terminal.Field{{Text: "  " + terminal.Pad(e.Kind, 7) + " " + terminal.Pad(e.Prefix, 19)}, {Text: "rule " + plain.Text(e.Rule, 60)}}
	if e.Rule == "-" {
		fields = fields[:1]
	}
	switch {
	case e.Until == nil:
		fields = append(fields, terminal.Field{Text: "no expiry"})
	case e.Expired:
		fields = append(fields, terminal.Field{Text: "EXPIRED at " + e.Until.UTC().Format(time.RFC3339) + ", the next run releases it", Style: terminal.Changed})
	default:
		fields = append(fields, terminal.Field{Text: short(e.Until.Sub(now).Round(time.Second)) + " left"})
	}
	if e.Strikes > 0 {
		fields = append(fields, terminal.Field{Text: fmt.Sprintf("strike %d", e.Strikes)})
	}
	if v.screen.Width == 0 || v.screen.Width >= wideScreen {
		until := ""
		if e.Until != nil && !e.Expired {
			until = ", until " + e.Until.UTC().Format(time.RFC3339)
		}
		fields = append(fields, terminal.Field{Text: "since " + e.Since.UTC().Format(time.RFC3339) + until}, terminal.Field{Text: "run " + plain.Text(e.Run, 40)}, terminal.Field{Text: "in " + plain.Text(e.ACL, 60)})
	}
	fmt.Fprintln(b, v.screen.Line(10, fields...))
}
