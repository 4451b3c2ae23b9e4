package acltest

import (
	"net/http"
	"strings"
)

// Fault changes what happens to requests that match it. The zero Fault matches one request, the next, and does nothing.
type Fault struct {
	Method string // "" matches any
	Path   string // a part of the path; "" matches any
	Skip   int    // matching requests that pass unharmed first
	Times  int    // how many requests it strikes; 0 means one, -1 all

	Before func()          // called before the request is looked at: another hand, or a note that it came
	Wait   <-chan struct{} // the request is held until it is closed or the client goes
	Drop   bool            // the connection is reset and nothing is applied
	Status int             // answered instead of serving; 200 with an empty Body is an empty 200 that applied nothing
	Body   string
	Header http.Header
	After  func() // called after the request was served, before the answer
	Reset  bool   // served, then the connection is reset instead of an answer
	Empty  bool   // served, then answered with the right status and an empty body
}

// Fault adds f. Faults are asked in the order they were added; the first that matches strikes.
func (s *Server) Fault(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Server) takeFault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Times == 0 || f.Method != "" && f.Method != r.Method || !strings.Contains(r.URL.Path, f.Path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		strike := *f
		return &strike
	}
	return nil
}

// before does what comes before serving; false means the connection shall be reset.
func (f *Fault) before(r *http.Request) bool {
	if f.Before != nil {
		f.Before()
	}
	if f.Wait != nil {
		select {
		case <-f.Wait:
		case <-r.Context().Done():
		}
	}
	return !f.Drop
}

func (f *Fault) answer(w *reply) {
	for k, v := range f.Header {
		w.header[k] = v
	}
	w.code = f.Status
	w.body.WriteString(f.Body)
}
