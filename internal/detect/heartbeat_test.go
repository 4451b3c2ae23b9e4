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
