package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"edgewarden/bench/internal/lines"
	"edgewarden/bench/internal/proc"
)

// In package main: a program exports nothing.

func TestTwoKillsLoseAndDoubleNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and kills ingest")
	}
	r, err := run(options{kills: 2, conns: 4, rate: 8000, least: 200 * time.Millisecond, most: 600 * time.Millisecond, backlog: 1000, limit: 3 * proc.Patience, seed: 1, log: io.Discard})
	if err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if r.kills != 2 || r.sent == 0 || r.listed == 0 || r.checked.Lines < r.listed {
		t.Errorf("it proved nothing: %s", r)
	}
}

// world is a history that the books are shown.
type world struct {
	books *books
	dump  strings.Builder
}

func (w *world) list(seq int64, position string) {
	fmt.Fprintf(&w.dump, `{"position":%q,"line":"{\"request_id\":\"%sabc\"}"}`+"\n", position, lines.ID{Run: "t", Conn: 1, Seq: seq})
}

func (w *world) arrive(t *testing.T, seq int64, insertID string) {
	t.Helper()
	if err := w.books.arrived(lines.ID{Run: "t", Conn: 1, Seq: seq}.String()+"abc", &loggingpb.LogEntry{InsertId: insertID, Timestamp: timestamppb.Now()}); err != nil {
		t.Fatal(err)
	}
}

func TestTheBooksFindEveryBrokenPromise(t *testing.T) {
	for name, test := range map[string]struct {
		history func(*testing.T, *world)
		fault   string
	}{
		"all is well":               {func(t *testing.T, w *world) {}, ""},
		"a listed line is lost":     {func(t *testing.T, w *world) { w.list(3, "0d") }, "did not arrive"},
		"a line is missing between": {func(t *testing.T, w *world) { w.arrive(t, 4, "s-0e") }, "line 3 is missing"},
		"a line arrives twice":      {func(t *testing.T, w *world) { w.arrive(t, 2, "s-0e") }, "arrived twice"},
		"a position is used again":  {func(t *testing.T, w *world) { w.list(3, "0a"); w.arrive(t, 3, "s-0a") }, "named line"},
		"a line stands twice":       {func(t *testing.T, w *world) { w.list(0, "0f") }, "at 0a and at 0f"},
		"an id is not the position": {func(t *testing.T, w *world) { w.list(3, "0d"); w.arrive(t, 3, "s-0c") }, "arrived as s-0c"},
		"a line came from nowhere": {func(t *testing.T, w *world) {
			for seq := int64(3); seq <= 5; seq++ {
				w.arrive(t, seq, fmt.Sprint("s-", seq))
			}
		}, "only 5 were sent"},
		"the dump shows a broken record": {func(t *testing.T, w *world) { w.dump.WriteString(`{"position":"09","problem":"no envelope"}` + "\n") }, "no envelope"},
		"the dump shows half a line":     {func(t *testing.T, w *world) { w.dump.WriteString(`{"position":"09","line":"<134>"}` + "\n") }, "no request id"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{books: newBooks()}
			w.books.sent("t", []int64{0, 5})
			for seq, position := range []string{"0a", "0b", "0c"} {
				w.list(int64(seq), position)
				w.arrive(t, int64(seq), "s-"+position)
			}
			test.history(t, w)
			_, _, err := w.books.listed(strings.NewReader(w.dump.String()))
			err = errors.Join(err, w.books.verdict())
			switch {
			case test.fault == "" && err != nil:
				t.Errorf("a fault was found where there is none: %v", err)
			case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
				t.Errorf("found %v, want %q", err, test.fault)
			}
		})
	}
}
