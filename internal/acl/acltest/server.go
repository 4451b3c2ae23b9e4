package acltest

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The service, ACLs and dictionary of a server made by New.
const (
	Service = "SVC1"
	Block1  = "edgewarden_1"
	Block2  = "edgewarden_2"
	Exempt  = "edgewarden_exempt"
	Shadow  = "edgewarden_shadow"
	Control = "edgewarden_control"
)

// Options shape a Server. Zero values are what is known of Fastly's defaults.
type Options struct {
	Services         []string // ids; nil means SVC1
	ACLs             []string // of every service; nil means edgewarden_1, edgewarden_2, edgewarden_exempt, edgewarden_shadow
	Dictionaries     []string // of every service; nil means edgewarden_control
	Capacity         int      // entries an ACL holds; 0 means 1000
	MaxOperations    int      // of one batch; 0 means 1000
	WritesPerHour    int      // of one user; 0 means 1000
	PerPage          int      // of a list that asks for none; 0 means 100
	MaxPerPage       int      // larger pages are cut to it in silence; 0 means 1000
	MaxBody          int64    // bytes of a request that are read; 0 means 4 MiB
	Atomic           bool     // a batch with a bad operation changes nothing
	RefuseDuplicates bool     // a second entry for the same address and mask answers 409
	NoLink           bool     // lists carry no Link header
	GlobalToken      bool     // a token that Tokens does not name says of itself that it reaches every service
	Tokens           map[string]Token
	Skew             time.Duration    // added to the Date header
	Now              func() time.Time // nil means time.Now
	Log              func(Request)    // called after every request
}

// Token is what a token may do. A token that Options.Tokens does not name may do all, except "bad" and "", which may
// do nothing.
type Token struct {
	Services []string // nil means all
	ReadOnly bool
	User     string
	Scope    string // "" means global, or global:read when ReadOnly
	Expires  time.Time
}

// Request is what the recorder keeps of one request. Headers are not kept, so that no token is.
type Request struct {
	Method     string
	Path       string
	Query      string
	Body       string // as far as it was read
	UserAgent  string
	Operations int // in a batch
	Status     int // 0 when the answer was lost on purpose
}

// Server is a stand-in for Fastly's API: an http.Handler as strict as the real one. Use New or NewWith.
type Server struct {
	o   Options
	mux *http.ServeMux

	mu       sync.RWMutex // guards everything below
	services map[string]*service
	faults   []*Fault
	requests []Request
	spent    map[string]int // writes of a user in the hour that began at hour
	hour     time.Time
	nextID   uint64
	skew     time.Duration
}

// New returns a server with service SVC1, active version 1, empty ACLs edgewarden_1, edgewarden_2, edgewarden_exempt,
// edgewarden_shadow and the dictionary edgewarden_control. Any token but "bad" and "" is accepted.
func New() *Server { return NewWith(Options{}) }

// NewWith returns a server shaped by o.
func NewWith(o Options) *Server {
	o.fill()
	s := &Server{o: o, services: map[string]*service{}, spent: map[string]int{}, skew: o.Skew}
	for _, id := range o.Services {
		s.addService(id)
	}
	s.mux = http.NewServeMux()
	s.routes()
	return s
}

func (o *Options) fill() {
	def := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	if o.Services == nil {
		o.Services = []string{Service}
	}
	if o.ACLs == nil {
		o.ACLs = []string{Block1, Block2, Exempt, Shadow}
	}
	if o.Dictionaries == nil {
		o.Dictionaries = []string{Control}
	}
	def(&o.Capacity, 1000)
	def(&o.MaxOperations, 1000)
	def(&o.WritesPerHour, 1000)
	def(&o.PerPage, 100)
	def(&o.MaxPerPage, 1000)
	if o.MaxBody == 0 {
		o.MaxBody = 4 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := s.takeFault(r)
	if f != nil && !f.before(r) {
		s.note(r, nil, 0)
		reset(w)
		return
	}
	body, err := readBody(w, r, s.o.MaxBody)
	rec := &reply{header: http.Header{}}
	switch {
	case err != nil:
		rec.fail(http.StatusRequestEntityTooLarge, "Request entity too large", err.Error())
	case f != nil && f.Status != 0:
		f.answer(rec)
	default:
		s.serve(rec, r, body)
	}
	if f != nil && f.After != nil {
		f.After()
	}
	if f != nil && f.Reset {
		s.note(r, body, 0)
		reset(w)
		return
	}
	if f != nil && f.Empty {
		rec.body.Reset()
	}
	s.note(r, body, rec.status())
	s.send(w, rec)
}

// serve checks the token and the hourly limit, then answers.
func (s *Server) serve(w *reply, r *http.Request, body []byte) {
	key := r.Header.Get("Fastly-Key")
	tok, ok := s.token(key)
	if !ok && r.URL.Path != publicList {
		w.fail(http.StatusUnauthorized, "Provided credentials are missing or invalid", "")
		return
	}
	write := isWrite(r.Method)
	if write && !s.spend(w, tok.User) {
		return
	}
	if write && tok.ReadOnly || !tok.reaches(r.URL.Path) {
		w.fail(http.StatusForbidden, "You are not authorized to perform this action", "")
		return
	}
	r.Body = http.NoBody
	s.mux.ServeHTTP(w, r.WithContext(withBody(r.Context(), body, r.Header.Get("Content-Type"))))
	if w.status() == http.StatusNotFound && w.body.Len() == 0 || w.plainError() {
		w.body.Reset()
		w.fail(w.status(), http.StatusText(w.status()), "")
	}
}

// spend counts one write of user and sets the rate headers, which are on writes only; false means it answered 429.
// https://www.fastly.com/documentation/reference/api/#rate-limiting
func (s *Server) spend(w *reply, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if hour := now.Truncate(time.Hour); !hour.Equal(s.hour) {
		s.hour, s.spent = hour, map[string]int{}
	}
	if s.spent[user] >= s.o.WritesPerHour {
		w.fail(http.StatusTooManyRequests, "You have exceeded your hourly rate limit", "")
		return false
	}
	s.spent[user]++
	w.header.Set("Fastly-RateLimit-Remaining", strconv.Itoa(s.o.WritesPerHour-s.spent[user]))
	w.header.Set("Fastly-RateLimit-Reset", strconv.FormatInt(s.hour.Add(time.Hour).Unix(), 10))
	return true
}

func (s *Server) token(key string) (Token, bool) {
	if t, ok := s.o.Tokens[key]; ok {
		if !t.Expires.IsZero() && !s.o.Now().Before(t.Expires) {
			return Token{}, false
		}
		if t.User == "" {
			t.User = "user-" + strconv.Itoa(len(key))
		}
		return t, true
	}
	return Token{User: "user-1"}, key != "" && key != "bad"
}

func (t Token) reaches(path string) bool {
	rest, ok := strings.CutPrefix(path, "/service/")
	if !ok || t.Services == nil {
		return true
	}
	id, _, _ := strings.Cut(rest, "/")
	for _, have := range t.Services {
		if have == id {
			return true
		}
	}
	return false
}

func isWrite(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// send writes what was answered, with Fastly's headers.
func (s *Server) send(w http.ResponseWriter, rec *reply) {
	h := w.Header()
	for k, v := range rec.header {
		h[k] = v
	}
	s.mu.RLock()
	skew := s.skew
	s.mu.RUnlock()
	h.Set("Date", s.o.Now().Add(skew).UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-store")
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(rec.body.Len()))
	w.WriteHeader(rec.status())
	_, _ = w.Write(rec.body.Bytes()) // the client is gone, nothing to do
}

// note records a request.
func (s *Server) note(r *http.Request, body []byte, status int) {
	q := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: string(body), UserAgent: r.UserAgent(), Status: status}
	q.Operations = bytes.Count(body, []byte(`"op"`))
	s.mu.Lock()
	s.requests = append(s.requests, q)
	s.mu.Unlock()
	if s.o.Log != nil {
		s.o.Log(q)
	}
}

// Requests returns what was asked so far, in the order of the answers.
func (s *Server) Requests() []Request {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]Request(nil), s.requests...)
}

// Writes is the number of requests so far that were not GET or HEAD, refused ones and lost ones included.
func (s *Server) Writes() int {
	n := 0
	for _, r := range s.Requests() {
		if isWrite(r.Method) {
			n++
		}
	}
	return n
}

// SetSkew sets what is added to the Date header.
func (s *Server) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// reset cuts the connection so that the client sees it reset.
func reset(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler) // how net/http lets a handler cut an HTTP/2 stream
}
