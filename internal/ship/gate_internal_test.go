package ship

// Internal, because the gate is not visible from outside but for its timing,
// which only a clock under test can tell.

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func testGate(workers int) *gate {
	return newGate(slog.New(slog.DiscardHandler), time.Now, workers, map[Class]backoff{
		Temporary:     {time.Second, 30 * time.Second},
		Throttled:     {5 * time.Second, 30 * time.Second},
		Configuration: {5 * time.Second, time.Minute},
	})
}

func failed(c Class) *Failure { return &Failure{Class: c, Code: "x", Err: errors.New("x")} }

// pass goes through the gate once and reports how the write went.
func pass(g *gate, f *Failure) {
	if g.enter(context.Background()) == nil {
		g.leave(time.Now(), f)
	}
}

func TestThePauseGrowsToItsLongestAndStartsAnewAfterASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(4)
		for n, most := range []time.Duration{0, 1, 2, 4, 8, 16, 30, 30, 30} {
			most *= time.Second
			begin := time.Now()
			pass(g, failed(Temporary))
			if waited := time.Since(begin); waited > most || waited < most/2 {
				t.Errorf("attempt %d waits %s, want between half of %s and all", n+1, waited, most)
			}
		}
		pass(g, nil)
		begin := time.Now()
		pass(g, failed(Temporary))
		pass(g, nil)
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("after a success the pause is %s, want at most a second", waited)
		}
	})
}

func TestWritesThatFailTogetherAreOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(8)
		for range 8 {
			g.enter(context.Background())
		}
		started := time.Now()
		<-time.After(10 * time.Second) // the clock of the bubble
		for range 8 {
			g.leave(started, failed(Temporary))
		}
		begin := time.Now()
		g.enter(context.Background())
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("eight writes that failed together pause for %s, want a second at most", waited)
		}
	})
}

func TestWhileItFailsOneWriteAtATimeTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(8)
		pass(g, failed(Temporary))
		var mu sync.Mutex
		var now, most, calls int
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					if g.enter(context.Background()) != nil {
						return
					}
					mu.Lock()
					now++
					calls++
					n := calls
					if n <= 5 {
						most = max(most, now)
					}
					mu.Unlock()
					started := time.Now()
					<-time.After(100 * time.Millisecond)
					mu.Lock()
					now--
					mu.Unlock()
					if n >= 5 { // the fifth works
						g.leave(started, nil)
						return
					}
					g.leave(started, failed(Temporary))
				}
			})
		}
		wg.Wait()
		if most != 1 {
			t.Errorf("%d writes at once while it fails, want 1", most)
		}
	})
}

func TestAThrottledSinkGetsHalfTheWritersAndThemBackOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(8)
		limits := []int{g.limit}
		pass(g, failed(Throttled))
		limits = append(limits, g.limit)
		pass(g, failed(Throttled))
		pass(g, failed(Throttled))
		pass(g, failed(Throttled))
		limits = append(limits, g.limit)
		pass(g, nil)
		limits = append(limits, g.limit)
		for range 100 {
			pass(g, nil)
		}
		limits = append(limits, g.limit)
		for i, want := range []int{8, 4, 1, 2, 8} {
			if limits[i] != want {
				t.Errorf("limits %v, want 8 4 1 2 8", limits)
				break
			}
		}
	})
}

func TestAWorkerThatWaitsAtTheGateStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(1)
		pass(g, failed(Configuration))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.enter(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
		// One that was let in and stopped leaves the place to the next.
		g.enter(context.Background())
		g.abandon()
		g.enter(context.Background())
	})
}

func TestTheGateKnowsSinceWhenItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(2)
		if _, _, ok := g.failing(); ok {
			t.Error("it fails before anything was written")
		}
		begin := time.Now()
		pass(g, failed(Temporary))
		pass(g, failed(Configuration))
		since, class, ok := g.failing()
		if !ok || class != Configuration || !since.Equal(begin) {
			t.Errorf("failing %v since %s, class %s; want since %s, the latest class", ok, since, class, begin)
		}
		pass(g, nil)
		if _, _, ok := g.failing(); ok {
			t.Error("it fails after a success")
		}
	})
}

func TestABatchThatFailsAgainWhileOthersAreWrittenWaitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(4)
		leave := func(class Class, seen int64) bool {
			g.enter(t.Context())
			return g.leaveAgain(time.Now(), failed(class), seen)
		}
		seen := g.successes()
		if leave(Temporary, seen) {
			t.Error("nothing was written since: it is the sink")
		}
		pass(g, nil)
		if !leave(Temporary, seen) {
			t.Error("another was written since: it is the batch")
		}
		if _, _, failing := g.failing(); failing {
			t.Error("the sink is said to fail")
		}
		begin := time.Now()
		pass(g, nil)
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("the others wait %s", waited)
		}
		if leave(Throttled, seen) {
			t.Error("a quota is nobody's own")
		}
	})
}
