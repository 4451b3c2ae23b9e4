package acltest

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// maxComment is not documented by Fastly; third-party schemas say 1024 characters.
const maxComment = 1024

// wireEntry is an entry in a reply. negated is a string in lists and single reads, a number in replies to writes, as in
// the recorded replies of go-fastly (fastly/fixtures/acl_entries).
func wireEntry(svc *service, a *aclRows, e *Entry, list bool) map[string]any {
	n := 0
	if e.Negated {
		n = 1
	}
	m := map[string]any{
		"id": e.ID, "service_id": svc.id, "acl_id": a.id, "ip": e.IP, "subnet": e.Subnet, "negated": n,
		"comment": e.Comment, "created_at": e.Created.UTC().Format(time.RFC3339), "updated_at": e.Updated.UTC().Format(time.RFC3339),
	}
	if list {
		m["negated"] = strconv.Itoa(n)
	}
	return m
}

func (s *Server) listEntries(w *reply, r *http.Request, svc *service, a *aclRows) {
	rows := slices.Clone(a.rows)
	if sort := r.URL.Query().Get("sort"); sort != "" && sort != "created" {
		w.badRequest("sort must be created")
		return
	}
	if r.URL.Query().Get("direction") == "descend" {
		slices.Reverse(rows)
	}
	from, to := s.page(w, r, len(rows))
	out := make([]map[string]any, 0, to-from)
	for _, e := range rows[from:to] {
		out = append(out, wireEntry(svc, a, e, true))
	}
	w.encode(out)
}

func (s *Server) getEntry(w *reply, r *http.Request, svc *service, a *aclRows) {
	e := a.find(r.PathValue("entry"))
	if e == nil {
		w.notFound("ACL entry", r.PathValue("entry"))
		return
	}
	w.encode(wireEntry(svc, a, e, true))
}

func (s *Server) createEntry(w *reply, r *http.Request, svc *service, a *aclRows) {
	f, err := fields(r)
	if err != nil {
		w.badRequest("%v", err)
		return
	}
	e, code, err := s.insert(a, f)
	if err != nil {
		w.refuse(code, err)
		return
	}
	w.encode(wireEntry(svc, a, e, false))
}

func (s *Server) patchEntry(w *reply, r *http.Request, svc *service, a *aclRows) {
	f, err := fields(r)
	if err != nil {
		w.badRequest("%v", err)
		return
	}
	e := a.find(r.PathValue("entry"))
	if e == nil {
		w.notFound("ACL entry", r.PathValue("entry"))
		return
	}
	if err := e.set(f); err != nil {
		w.badRequest("%v", err)
		return
	}
	e.Updated, a.match = s.now(), nil
	w.encode(wireEntry(svc, a, e, false))
}

func (s *Server) deleteEntry(w *reply, r *http.Request, _ *service, a *aclRows) {
	if !a.remove(r.PathValue("entry")) {
		w.notFound("ACL entry", r.PathValue("entry"))
		return
	}
	w.ok()
}

// batch applies operation by operation up to the first bad one. Fastly does not document whether a batch is atomic.
func (s *Server) batch(w *reply, r *http.Request, _ *service, a *aclRows) {
	ops, err := operations(r, "entries")
	if err != nil {
		w.badRequest("%v", err)
		return
	}
	if len(ops) > s.o.MaxOperations {
		w.badRequest("exceeding max operations of %d", s.o.MaxOperations)
		return
	}
	before := make([]*Entry, len(a.rows))
	for i, e := range a.rows {
		c := *e
		before[i] = &c
	}
	for i, op := range ops {
		if code, err := s.operate(a, op); err != nil {
			if s.o.Atomic {
				a.rows = before
			}
			w.refuse(code, fmt.Errorf("entry %d: %w", i, err))
			return
		}
	}
	w.ok()
}

func (s *Server) operate(a *aclRows, op map[string]string) (int, error) {
	a.match = nil
	switch op["op"] {
	case "create":
		_, code, err := s.insert(a, op)
		return code, err
	case "update":
		e := a.find(op["id"])
		if e == nil {
			return http.StatusNotFound, fmt.Errorf("couldn't find ACL entry %q", op["id"])
		}
		e.Updated = s.now()
		return http.StatusBadRequest, e.set(op)
	case "delete":
		if !a.remove(op["id"]) {
			return http.StatusNotFound, fmt.Errorf("couldn't find ACL entry %q", op["id"])
		}
		return 0, nil
	}
	return http.StatusBadRequest, fmt.Errorf("op %q must be create, update or delete", op["op"])
}

func (w *reply) refuse(code int, err error) {
	switch code {
	case http.StatusNotFound:
		w.fail(code, "Record not found", err.Error())
	case http.StatusConflict:
		w.fail(code, "Duplicate record", err.Error())
	default:
		w.badRequest("%v", err)
	}
}

func (s *Server) insert(a *aclRows, f map[string]string) (*Entry, int, error) {
	if f["ip"] == "" {
		return nil, http.StatusBadRequest, fmt.Errorf("ip can't be blank")
	}
	e := &Entry{Created: s.now(), Updated: s.now()}
	if err := e.set(f); err != nil {
		return nil, http.StatusBadRequest, err
	}
	if len(a.rows) >= s.o.Capacity {
		return nil, http.StatusBadRequest, fmt.Errorf("exceeding max ACL entries of %d", s.o.Capacity)
	}
	if s.o.RefuseDuplicates && slices.ContainsFunc(a.rows, func(o *Entry) bool { return o.Prefix() == e.Prefix() && o.Negated == e.Negated }) {
		return nil, http.StatusConflict, fmt.Errorf("entry for %s exists", e.Prefix())
	}
	e.ID = s.newID()
	a.rows, a.match = append(a.rows, e), nil
	return e, 0, nil
}

// set takes the fields that are there, or none when one is bad. The address is kept as submitted, host bits included.
func (e *Entry) set(f map[string]string) error {
	n := *e
	if ip, ok := f["ip"]; ok {
		n.IP = ip
	}
	a, err := netip.ParseAddr(n.IP)
	if err != nil || a.Zone() != "" {
		return fmt.Errorf("ip %q is not a valid address", n.IP)
	}
	if sub, ok := f["subnet"]; ok && sub != "" {
		bits, err := strconv.Atoi(sub)
		if err != nil {
			return fmt.Errorf("subnet %q is not a number", sub)
		}
		n.Subnet = &bits
	}
	if n.Subnet != nil && (*n.Subnet < 0 || *n.Subnet > a.BitLen()) {
		return fmt.Errorf("subnet %d must be between 0 and %d", *n.Subnet, a.BitLen())
	}
	if neg, ok := f["negated"]; ok {
		if neg != "0" && neg != "1" && neg != "" {
			return fmt.Errorf("negated %q must be 0 or 1", neg)
		}
		n.Negated = neg == "1"
	}
	if c, ok := f["comment"]; ok {
		n.Comment = c
	}
	if len(n.Comment) > maxComment {
		return fmt.Errorf("comment is longer than %d", maxComment)
	}
	*e = n
	return nil
}

func (a *aclRows) find(id string) *Entry {
	for _, e := range a.rows {
		if e.ID == id {
			return e
		}
	}
	return nil
}

func (a *aclRows) remove(id string) bool {
	n := len(a.rows)
	a.rows, a.match = slices.DeleteFunc(a.rows, func(e *Entry) bool { return e.ID == id }), nil
	return len(a.rows) < n
}
