package main

import (
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"edgewarden/internal/record"
)

// The runbook's query tells a client that sends one id from a shield that logs each request again.
func TestTheRunbooksQueryNamesWhoRepeatsIDs(t *testing.T) {
	page, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`duckdb -c "(SELECT client_ip,[^"]*)"`).FindSubmatch(page)
	if found == nil {
		t.Fatal("the runbook has no query")
	}
	w := newWorld(t)
	foreign := func(id func(i int) string) func(*record.Record) {
		i := -1
		return func(r *record.Record) {
			i++
			r.Present &^= 1 << record.FirstHop
			r.RequestID = id(i)
		}
	}
	w.requests("203.0.113.80", 80, foreign(func(int) string { return "mine" }))
	for _, logged := range []string{"203.0.113.7", "151.101.1.1"} { // at the edge, and again at the shield
		w.requests(logged, 100, foreign(func(i int) string { return fmt.Sprint("id-", i) }))
	}
	w.requests("203.0.113.5", 100, foreign(func(i int) string { return fmt.Sprint("once-", i) }))
	w.store()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(strings.ReplaceAll(string(found[1]), "LAKE", w.lake()))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var address string
		var repeating, ids int64
		if err := rows.Scan(&address, &repeating, &ids); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d of %d", address, repeating, ids))
	}
	if err := rows.Err(); err != nil || len(got) != 3 || got[0] != "203.0.113.80 80 of 1" || !strings.Contains(strings.Join(got, ", "), "151.101.1.1 100 of 100") {
		t.Errorf("%v: %v", got, err)
	}
}
