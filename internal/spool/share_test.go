package spool_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/spool"
)

const shareCap = 2 << 20

// shared opens a spool in which one owner alone may fill three quarters.
func shared(t testing.TB, change func(*spool.Options)) *spool.Spool {
	t.Helper()
	return start(t, t.TempDir(), func(o *spool.Options) {
		o.MaxBytes, o.SegmentBytes, o.OwnerShare, o.SyncInterval = shareCap, 64<<10, 75, time.Millisecond
		if change != nil {
			change(o)
		}
	})
}

// pour appends records of one owner until they are refused and returns how many were taken.
func pour(t testing.TB, s *spool.Spool, owner string, most int) int {
	t.Helper()
	record := payloads(strings.Repeat("x", 1000))
	for n := range most {
		switch err := s.AppendFrom(owner, record); {
		case errors.Is(err, spool.ErrShare):
			return n
		case err != nil:
			t.Fatalf("after %d records of %s: %v", n, owner, err)
		}
	}
	return most
}

// acknowledge takes everything out of the spool.
func acknowledge(t testing.TB, s *spool.Spool) {
	t.Helper()
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	c := s.Cursor("lake")
	for s.Stats().Pending["lake"] > 0 {
		b, err := c.Next(t.Context(), 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Ack(b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAGreedyOwnerCannotFillTheSpoolForAnHonestOne(t *testing.T) {
	s := shared(t, nil)
	took := pour(t, s, "greedy", 1<<20)
	if part := float64(took) * 1020 / shareCap; part < 0.70 || part > 0.75 {
		t.Errorf("one owner filled %.2f of the spool, want three quarters", part)
	}
	if s.Stats().Full {
		t.Error("the spool says it is full, which it is for one owner only")
	}
	for i := range 300 {
		if n := pour(t, s, "honest", 1); n != 1 {
			t.Fatalf("record %d of the honest owner was refused", i)
		}
		if n := pour(t, s, "greedy", 1); n != 0 {
			t.Fatalf("the greedy owner wrote on at record %d", i)
		}
	}
	if st := s.Stats(); st.Owners != 2 || st.LargestOwner != int64(took)*1020 {
		t.Errorf("%d owners, the largest holds %d bytes, want 2 and %d", st.Owners, st.LargestOwner, took*1020)
	}
	acknowledge(t, s)
	if n := pour(t, s, "greedy", 500); n != 500 {
		t.Errorf("after all was acknowledged the greedy owner was refused at record %d", n)
	}
}

func TestOwnersThatSendAlikeFillTheSpoolTogether(t *testing.T) {
	s := shared(t, func(o *spool.Options) { o.MaxBytes = 8 << 20 })
	const owners = 100
	taken := 0
	for {
		n := 0
		for i := range owners {
			n += pour(t, s, fmt.Sprint("node-", i), 1)
		}
		if taken += n; n < owners {
			break
		}
	}
	if part := float64(taken) * 1020 / (8 << 20); part < 0.96 {
		t.Errorf("the first of %d owners was refused when %.3f of the spool was used", owners, part)
	}
}

func TestRecordsOfNobodyHaveNoShare(t *testing.T) {
	s := shared(t, nil)
	pour(t, s, "greedy", 1<<20)
	n := len(fill(t, s))
	if part := float64(n) * 520 / shareCap; part < 0.2 {
		t.Errorf("records of nobody filled %.2f of the spool beside a greedy owner, want the quarter that was left", part)
	}
	if err := s.AppendFrom("greedy", payloads("x")); !errors.Is(err, spool.ErrShare) && !errors.Is(err, spool.ErrFull) {
		t.Errorf("append to a full spool: %v", err)
	}
}

// Only a segment with a successor can be removed, so a refusal must make one.
func TestAShareThatIsSmallerThanASegmentComesBack(t *testing.T) {
	s := shared(t, func(o *spool.Options) { o.OwnerShare, o.SegmentBytes = 5, 512<<10 })
	for round := range 3 {
		if n := pour(t, s, "small", 1<<20); n == 0 || n > 200 {
			t.Fatalf("round %d: %d records taken", round, n)
		}
		acknowledge(t, s)
		until(t, "room for the owner", func() bool { return pour(t, s, "small", 1) == 1 })
	}
}

func TestOwnersBeyondTheLimitShareOneAccount(t *testing.T) {
	s := shared(t, func(o *spool.Options) { o.MaxBytes, o.SegmentBytes = 64<<20, 1<<20 })
	for i := range 10_000 {
		if err := s.AppendFrom(fmt.Sprint("2001:db8::", i), payloads("x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Owners; n != 4097 {
		t.Errorf("%d accounts for 10,000 owners, want 4096 and one for the crowd", n)
	}
	pour(t, s, "late", 1<<20) // counts as one of the crowd
	acknowledge(t, s)
	if err := s.AppendFrom("again", payloads(strings.Repeat("x", 1<<20))); err != nil { // a new segment: the old ones can go
		t.Fatal(err)
	}
	acknowledge(t, s)
	until(t, "accounts to be closed", func() bool { return s.Stats().Owners == 1 })
}

func TestWithoutAShareAnOwnerMayFillTheSpool(t *testing.T) {
	for _, share := range []int{0, 100} {
		s := shared(t, func(o *spool.Options) { o.OwnerShare = share })
		var err error
		for err == nil {
			err = s.AppendFrom("alone", payloads(strings.Repeat("x", 1000)))
		}
		if st := s.Stats(); !errors.Is(err, spool.ErrFull) || st.Bytes < shareCap*99/100 || st.Owners != 0 {
			t.Errorf("share %d: %v with %+v", share, err, st)
		}
	}
}

func TestEverySyncIsTold(t *testing.T) {
	told := make(chan time.Duration, 1)
	s := start(t, t.TempDir(), func(o *spool.Options) {
		o.Synced = func(took time.Duration) {
			select {
			case told <- took:
			default:
			}
		}
	})
	put(t, s, "a")
	if took := <-told; took <= 0 || took > time.Minute {
		t.Errorf("a sync took %v", took)
	}
}
