package detect_test

import (
	"testing"
	"time"

	"edgewarden/internal/detect"
)

func TestLossIsWhatWasDroppedOfWhatWasReceived(t *testing.T) {
	at := func(m int) time.Time { return time.Unix(int64(60*m), 0).UTC() }
	beat := func(spool string, m int, received, full, auth int64) detect.Heartbeat {
		return detect.Heartbeat{Spool: spool, Time: at(m), Received: received, Dropped: map[string]int64{"full": full, "auth": auth}}
	}
	cases := []struct {
		name  string
		beats []detect.Heartbeat
		want  float64
		known bool
	}{
		{"nothing is known without heartbeats", nil, 0, false},
		{"one heartbeat says nothing", []detect.Heartbeat{beat("a", 1, 100, 50, 0)}, 0, false},
		{"one heartbeat each of two spools says nothing", []detect.Heartbeat{beat("a", 1, 100, 50, 0), beat("b", 2, 200, 100, 0)}, 0, false},
		{"counters are differences, not totals", []detect.Heartbeat{beat("a", 1, 1000, 500, 0), beat("a", 2, 1100, 510, 0)}, 0.1, true},
		{"the order of rows does not matter", []detect.Heartbeat{beat("a", 2, 1100, 510, 0), beat("a", 1, 1000, 500, 0)}, 0.1, true},
		{"lines refused for their token are nobody's loss", []detect.Heartbeat{beat("a", 1, 0, 0, 0), beat("a", 2, 200, 10, 100)}, 0.1, true},
		{"a restart counts from zero", []detect.Heartbeat{beat("a", 1, 5000, 5, 0), beat("a", 2, 100, 25, 0)}, 0.25, true},
		{"spools are added up", []detect.Heartbeat{beat("a", 1, 0, 0, 0), beat("a", 2, 100, 0, 0), beat("b", 1, 0, 0, 0), beat("b", 2, 300, 100, 0)}, 0.25, true},
		{"nothing received is no loss", []detect.Heartbeat{beat("a", 1, 7, 1, 0), beat("a", 2, 7, 1, 0)}, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, known := detect.Loss(c.beats); got != c.want || known != c.known {
				t.Errorf("Loss is %v, %v, want %v, %v", got, known, c.want, c.known)
			}
		})
	}
}

func TestAHeartbeatIsReadFromItsRow(t *testing.T) {
	at := time.Unix(60, 0).UTC()
	b, err := detect.ParseHeartbeat("00aa-0000000000000007", at, `{"received":9,"shipped":{"lake":4},"dead_lettered":0,"queued":3,"dropped":{"full":2}}`)
	if err != nil || b.Spool != "00aa" || b.Time != at || b.Received != 9 || b.Dropped["full"] != 2 {
		t.Errorf("heartbeat is %+v, %v", b, err)
	}
	for _, extra := range []string{"", "{", `{"dropped":{}}`, `{"received":"9"}`, `[1]`} {
		if _, err := detect.ParseHeartbeat("a-1", at, extra); err == nil {
			t.Errorf("%q is accepted", extra)
		}
	}
}

func TestTheIdentityOfTheNewestHeartbeats(t *testing.T) {
	at := time.Unix(60, 0).UTC()
	read := func(position string, t0 time.Time, extra string) detect.Heartbeat {
		b, err := detect.ParseHeartbeat(position, t0, extra)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	latest := detect.Latest([]detect.Heartbeat{
		read("bb-1", at, `{"received":1,"shipped":"lost"}`),
		read("aa-2", at.Add(time.Minute), `{"received":20,"recovered":{"lake":5},"shipped":{"lake":14,"logging":20},"dead_lettered":{"lake":1},"dead_letters_dropped":{"lake":2},"queued":{"lake":3},"dropped":{"auth":4,"full":1}}`),
		read("aa-1", at, `{"received":2,"shipped":{"lake":2}}`),
	})
	if len(latest) != 2 || latest[0].Received != 20 || latest[1].Spool != "bb" || len(latest[1].Sinks) != 0 {
		t.Fatalf("the newest heartbeats are %+v", latest)
	}
	b := latest[0]
	if len(b.Sinks) != 2 || b.Sinks[0] != (detect.SinkCount{Sink: "lake", Recovered: 5, Shipped: 14, DeadLettered: 1, LettersDropped: 2, Queued: 3}) {
		t.Fatalf("the sinks are %+v", b.Sinks)
	}
	if lake, logging := b.Unexplained(b.Sinks[0]), b.Unexplained(b.Sinks[1]); lake != 0 || logging != -5 {
		t.Errorf("%d and %d lines are unexplained, want 0 and -5", lake, logging)
	}
}
