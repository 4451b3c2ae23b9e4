package main

import (
	"strings"
	"testing"
)

// A rule that is to enforce and never can is no failure, and nobody should find out in an attack.
func TestCheckWarnsOfARuleThatCanNeverBlock(t *testing.T) {
	w := newWorld(t)
	w.everyday()
	w.store()
	w.file("rules.yaml", `rules:
  - {name: network, group: asn, window: 10m, when: requests >= 100, mode: enforce}
  - {name: prints, group: ja4, window: 10m, when: requests >= 100}
  - {name: flood, window: 10m, when: requests >= 100, mode: enforce}
`)
	o := w.run("check")
	if !strings.Contains(o.stdout, "WARN rules of SVC1: mode: enforce changes nothing for network (group: asn): such groups are reported, never blocked") {
		t.Error(o.stdout)
	}
	w.file("rules.yaml", rulesText)
	if o := w.run("check"); strings.Contains(o.stdout, "WARN") {
		t.Error(o.stdout)
	}
}
