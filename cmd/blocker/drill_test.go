package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The script runs the commands of the runbook as they stand there, and no other between the first of them and the last.
func TestTheDrillIsTheRunbooks(t *testing.T) {
	page, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/drill.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## The drill\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^    (blocker .*)$`).FindAllStringSubmatch(section, -1) {
		want = append(want, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^exec (blocker .*)$`).FindAllStringSubmatch(string(script), -1) {
		got = append(got, m[1])
	}
	if len(want) != 3 || len(got) != 5 || !slices.Equal(got[1:4], want) { // a run before, a run after
		t.Errorf("the runbook has\n%s\nthe script runs\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}
