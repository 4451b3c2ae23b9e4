package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

// score is what the rehearsal measures, with the labels the programs never saw.
type score struct {
	Seed      uint64 `json:"seed"`
	Sent      int64  `json:"lines_sent"`
	Received  int64  `json:"lines_received"`
	Stored    int64  `json:"rows_stored"`
	Attackers int    `json:"attackers"`

	Blocked []blockScore `json:"blocked"`

	Precision        float64 `json:"precision"`           // attackers among the blocked; 1 when nothing was blocked
	Recall           float64 `json:"recall"`              // blocked among the attackers
	HumanRefused     float64 `json:"human_refused_share"` // of the requests of humans and the office
	AttackRefused    float64 `json:"attack_refused_share"`
	Passed           bool    `json:"passed"`
	humans, refused  int64
	attacks, stopped int64
	labels           map[netip.Addr]label
	first            map[netip.Addr]time.Time // first abusive request
}

// blockScore is one block, judged.
type blockScore struct {
	Address string    `json:"address"`
	Label   label     `json:"label"`
	Rule    string    `json:"rule"`
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds_from_first_request"` // on the rehearsal's clock: up to one period, and the settle time of a real store comes on top
}

func (s *score) begin(cast []client, seed uint64) {
	s.Seed, s.Blocked = seed, []blockScore{}
	s.labels, s.first = map[netip.Addr]label{}, map[netip.Addr]time.Time{}
	for _, c := range cast {
		s.labels[c.addr] = c.label
		if c.label.abusive() {
			s.Attackers++
		}
	}
}

// sent counts one request and what became of it.
func (s *score) sent(q request, refused bool) {
	s.Sent++
	if _, seen := s.first[q.addr]; !seen {
		s.first[q.addr] = q.at
	}
	n := int64(0)
	if refused {
		n = 1
	}
	if q.label.abusive() {
		s.attacks, s.stopped = s.attacks+1, s.stopped+n
	} else {
		s.humans, s.refused = s.humans+1, s.refused+n
	}
}

// block judges a block: every client it covers counts.
func (s *score) block(p netip.Prefix, rule string, at time.Time) {
	for addr, l := range s.labels {
		if p.Contains(addr) {
			s.Blocked = append(s.Blocked, blockScore{addr.String(), l, rule, at, at.Sub(s.first[addr]).Seconds()})
		}
	}
	slices.SortFunc(s.Blocked, func(a, b blockScore) int { return a.At.Compare(b.At) })
}

// passed settles the ratios: no line lost, every attacker blocked, nobody else.
func (s *score) passed() bool {
	right := map[string]bool{}
	wrong := 0
	for _, b := range s.Blocked {
		if b.Label.abusive() {
			right[b.Address] = true
		} else {
			wrong++
		}
	}
	s.Precision, s.Recall = ratio(len(right), len(right)+wrong), ratio(len(right), s.Attackers)
	s.HumanRefused = float64(s.refused) / float64(max(s.humans, 1))
	s.AttackRefused = float64(s.stopped) / float64(max(s.attacks, 1))
	s.Passed = s.Sent == s.Received && s.Sent == s.Stored && s.Precision == 1 && s.Recall == 1 && s.refused == 0 && s.stopped > 0
	return s.Passed
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// print shows the score.
func (s *score) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	equal := "no line was lost"
	if s.Sent != s.Received || s.Sent != s.Stored {
		equal = "LINES WERE LOST OR DOUBLED"
	}
	fmt.Fprintf(w, "\n%d lines sent, %d received, %d stored: %s\n", s.Sent, s.Received, s.Stored, equal)
	for _, b := range s.Blocked {
		fmt.Fprintf(w, "blocked %-14s %-7s by rule %-17s %4.0f s after its first request\n", b.Address, b.Label, b.Rule, b.Seconds)
	}
	verdict := "PASSED"
	if !s.Passed {
		verdict = "MISSED THE MARK"
	}
	_, err := fmt.Fprintf(w, "precision %.2f, recall %.2f; %.2f %% of human and office requests refused, %.1f %% of abusive ones\n%s\n",
		s.Precision, s.Recall, 100*s.HumanRefused, 100*s.AttackRefused, verdict)
	return err
}
