package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"edgewarden/internal/record"
)

// quiet is a watch over SVC1 and SVC2 for ten minutes of silence, and its log.
func quiet() (q *silence, s *services, start time.Time, log *bytes.Buffer) {
	log = &bytes.Buffer{}
	start = time.Unix(1_800_000_000, 0)
	s = newServices([]string{"SVC1", "SVC2", "SVC1"})
	return newSilence(10*time.Minute, start, s, slog.New(slog.NewTextHandler(log, nil))), s, start, log
}

// ship lets records pass as a sink would.
func (s *services) ship(records ...record.Record) {
	l := s.look()
	for i := range records {
		l.see(&records[i])
	}
	l.end()
}

func lineOf(service string, at time.Time) record.Record {
	return record.Record{Kind: record.KindRequest, ServiceID: service, Received: at}
}

func TestSilenceIsSaidOnceAndSoIsItsEnd(t *testing.T) {
	q, s, start, log := quiet()
	said := func(what string) int { return strings.Count(log.String(), what) }
	at := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	q.check(at(9), time.Time{})
	if log.Len() > 0 {
		t.Fatalf("said before the time was over:\n%s", log)
	}
	for m := 11; m < 30; m++ {
		q.check(at(m), time.Time{})
	}
	if said("no line came") != 1 || said("service_id=SVC1") != 1 || said("service_id=SVC2") != 1 {
		t.Fatalf("want each silence said once:\n%s", log)
	}
	s.ship(lineOf("SVC1", at(30)))
	for m := 30; m < 36; m++ {
		q.check(at(m), at(30))
	}
	if said("lines come again") != 1 || said(`msg="lines of a service come again" service_id=SVC1`) != 1 || said("service_id=SVC2") != 1 {
		t.Errorf("want the end said once, for SVC1 only:\n%s", log)
	}
	q.check(at(41), at(30))
	if said("no line came") != 2 || said("service_id=SVC1") != 3 {
		t.Errorf("a second silence is not said:\n%s", log)
	}
}

func TestAServiceIsNotCalledSilentWhileItsLinesMayWaitInTheSpool(t *testing.T) {
	q, s, start, log := quiet()
	s.ship(lineOf("SVC1", start.Add(time.Minute)))
	q.check(start.Add(20*time.Minute), start.Add(20*time.Minute)) // the sink hangs, lines come in
	if log.Len() > 0 {
		t.Errorf("said:\n%s", log)
	}
	s.ship(lineOf("SVC2", start.Add(20*time.Minute)))
	q.check(start.Add(20*time.Minute), start.Add(20*time.Minute)) // all is parsed, and SVC1 had none
	if !strings.Contains(log.String(), "service_id=SVC1") || strings.Contains(log.String(), "service_id=SVC2") {
		t.Errorf("want SVC1 called silent, and nobody else:\n%s", log)
	}
}

func TestHeartbeatsAndOtherServicesAreNoLinesOfAService(t *testing.T) {
	q, s, start, log := quiet()
	late := start.Add(11 * time.Minute)
	s.ship(
		record.Record{Kind: record.KindHeartbeat, ServiceID: "SVC1", Received: late},
		record.Record{Kind: record.KindText, ServiceID: "SVC2", Received: late},
		lineOf("invented-by-a-sender", late),
	)
	q.check(late, late)
	if !strings.Contains(log.String(), "service_id=SVC1") || strings.Contains(log.String(), "SVC2") || strings.Contains(log.String(), "invented") {
		t.Errorf("log:\n%s", log)
	}
}

func TestAServiceThatFellSilentIsSeenAndReadinessIsNotAffected(t *testing.T) {
	s := serve(t, t.TempDir(), nil, "--expect-service", "SVC1", "--expect-service", "GONE", "--silence-alert", "200ms")
	nc := dial(t, s.addr)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				nc.Write([]byte(classic("", "a")))
			}
		}
	}()
	s.stderr.wait(t, `msg="no line of a service came" (service_id=GONE)`, 1)
	eventually(t, "the time of a line of SVC1", func() bool {
		return s.metric(t, `edgewarden_ingest_service_last_line_timestamp_seconds{service_id="SVC1"}`) >= s.began.Unix()
	})
	if strings.Contains(s.stderr.String(), "no line came") {
		t.Errorf("lines came:\n%s", s.stderr)
	}
	close(stop)
	<-stopped
	s.stderr.wait(t, `msg="no line of a service came" (service_id=SVC1)`, 1)
	s.stderr.wait(t, `msg="(no line came)"`, 1)
	if code, body := s.get(t, "/readyz"); code != 200 {
		t.Errorf("readyz = %d %q", code, body)
	}
	send(t, nc, classic("", "b"))
	s.stderr.wait(t, `msg="lines of a service come again" (service_id=SVC1)`, 1)
	s.stop(t)
}
