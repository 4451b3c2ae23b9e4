package acltest

import (
	"net/http"
	"time"
)

// Server is a stand-in for Fastly's API: an http.Handler as strict as the real one.
type Server struct{}

// New returns a server with service SVC1, active version 1, empty ACLs edgewarden_1, edgewarden_2, edgewarden_exempt,
// edgewarden_shadow and the dictionary edgewarden_control. Any token but "bad" and "" is accepted.
func New() *Server { panic("stub") }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("stub") }

// Entry is a row as the stand-in holds it.
type Entry struct {
	ID, IP  string
	Subnet  *int
	Negated bool
	Comment string
	Created time.Time
}

// Entries returns a copy of an ACL's rows by ACL name.
func (s *Server) Entries(service, acl string) []Entry { panic("stub") }

// Put adds a row by another hand and returns its id.
func (s *Server) Put(service, acl string, e Entry) string { panic("stub") }

// Dictionary returns a copy of an edge dictionary's items.
func (s *Server) Dictionary(service, name string) map[string]string { panic("stub") }

// Writes is the number of requests so far that were not GET or HEAD.
func (s *Server) Writes() int { panic("stub") }
