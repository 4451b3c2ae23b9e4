package ship_test

import (
	"testing"

	"edgewarden/internal/ship"
	"edgewarden/internal/ship/shiptest"
)

func TestEveryLineArrivesOnceAndIsAcknowledged(t *testing.T) {
	srv := shiptest.Start(t)
	s := openSpool(t, t.TempDir())
	r := start(t, s, cloud(t, srv))
	fill(t, s, 0, 300)
	fill(t, s, 300, 200)
	r.drain(t)
	if got := srv.Count(logID); got != 500 {
		t.Errorf("%d entries, want 500", got)
	}
	if got := srv.Written(); got != 500 {
		t.Errorf("%d entries written, want no duplicate among 500", got)
	}
	if st := r.Stats(); st.Shipped != 500 || st.DeadLettered != 0 {
		t.Errorf("stats %+v, want 500 shipped", st)
	}
	if got := pending(s, ship.CloudLoggingName); got != 0 {
		t.Errorf("%d lines pending, want none", got)
	}
}
