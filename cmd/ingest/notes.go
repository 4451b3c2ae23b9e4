package main

import (
	"fmt"
	"sync"
	"time"

	"edgewarden/internal/ledger"
)

// noteEvery is the least time between two audit records of one thing.
const noteEvery = time.Hour

// notes are audit records of what can happen a million times an hour, such as a
// refused line: the first is written at once, then at most one an hour with the
// number of those since.
type notes struct {
	write func(event, target, outcome string, detail map[string]string)

	mu   sync.Mutex // guards what follows
	last map[string]*noted
}

// noted is one thing that happens: an event with a reason.
type noted struct {
	event, target, outcome, reason string

	at     time.Time // when it was written last
	count  int64     // how often it happened after that
	remote string    // who was the first of them
}

// note counts n times of event for a reason; remote may be empty. Outcome is one
// of the ledger's.
func (a *notes) note(now time.Time, event, target, outcome, reason, remote string, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := event + " " + reason
	e := a.last[key]
	if e == nil {
		if a.last == nil {
			a.last = map[string]*noted{}
		}
		e = &noted{event: event, target: target, outcome: outcome, reason: reason}
		a.last[key] = e
	}
	if e.count == 0 {
		e.remote = remote
	}
	e.count += n
	a.due(e, now, false)
}

// flush writes what is due; all writes the rest, too.
func (a *notes) flush(now time.Time, all bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.last {
		a.due(e, now, all)
	}
}

// due writes one record if it is time. mu is held.
func (a *notes) due(e *noted, now time.Time, all bool) {
	if e.count == 0 || !all && now.Sub(e.at) < noteEvery {
		return
	}
	detail := map[string]string{"reason": e.reason, "count": fmt.Sprint(e.count)}
	if e.remote != "" {
		detail["remote"] = e.remote
	}
	if !e.at.IsZero() {
		detail["since"] = e.at.UTC().Format(time.RFC3339)
	}
	e.at, e.count = now, 0
	a.write(e.event, e.target, e.outcome, detail)
}

// refused says which refusals of the receiver an auditor asks for: somebody who
// could not prove who he is, or was not to be here.
var refused = map[string]bool{"auth": true, "tls_handshake": true, "plain_on_tls_port": true, "source_not_allowed": true, "proxy_header": true}

// noteRefusal is receive.Options.Refused.
func (h *house) noteRefusal(reason, remote string, lines int) {
	if h.audit != nil && refused[reason] {
		h.audit.note(time.Now(), "refuse-sender", h.c.Spool, ledger.Refused, reason, remote, int64(max(lines, 1)))
	}
}

// noteDamage notes records and segments that were found damaged since it was
// last asked.
func (h *house) noteDamage(now time.Time) {
	st := h.spool.Stats()
	if n := st.Lost - h.damage.records; n > 0 {
		h.audit.note(now, "spool-damage", h.c.Spool, ledger.Failure, "records", "", n)
	}
	if n := int64(st.Damaged) - h.damage.segments; n > 0 {
		h.audit.note(now, "spool-damage", h.c.Spool, ledger.Failure, "segments", "", n)
	}
	h.damage.records, h.damage.segments = max(st.Lost, h.damage.records), max(int64(st.Damaged), h.damage.segments)
}
