package acltest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Entry is a row as the stand-in holds it.
type Entry struct {
	ID, IP  string
	Subnet  *int // nil is null: this one address
	Negated bool
	Comment string
	Created time.Time
	Updated time.Time
}

// Prefix is the entry in canonical form, or the zero Prefix when it has none.
func (e Entry) Prefix() netip.Prefix {
	a, err := netip.ParseAddr(e.IP)
	if err != nil {
		return netip.Prefix{}
	}
	bits := a.BitLen()
	if e.Subnet != nil {
		bits = *e.Subnet
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// service is one service. Entries and items hang on the ids of containers, not on versions.
type service struct {
	id       string
	versions []*version
	acls     map[string]*aclRows  // by ACL id
	dicts    map[string]*dictRows // by dictionary id
	logged   []logged
}

type version struct {
	number   int
	active   bool
	locked   bool
	acls     map[string]string // name to id
	dicts    map[string]string // name to id
	vcl      string
	snippets []Snippet
}

type aclRows struct {
	id, name string
	made     time.Time
	rows     []*Entry
	match    *matcher // nil until asked for, and after every change
}

type dictRows struct {
	id, name string
	made     time.Time
	items    map[string]*item
	order    []string
}

type item struct {
	value            string
	created, updated time.Time
}

// Snippet is a VCL snippet of a version.
type Snippet struct {
	Name, Content string
	Dynamic       bool // its content is not in the list and not in the generated VCL
}

type logged struct {
	at time.Time
	n  uint64
}

// newID gives 22 characters that tell nothing of their order, as Fastly's do.
func (s *Server) newID() string {
	s.nextID++
	z := s.nextID * 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return fmt.Sprintf("%013s%09s", strconv.FormatUint(z, 36), strconv.FormatUint(s.nextID, 36))
}

func (s *Server) addService(id string) {
	v := &version{number: 1, active: true, locked: true, acls: map[string]string{}, dicts: map[string]string{}}
	svc := &service{id: id, versions: []*version{v}, acls: map[string]*aclRows{}, dicts: map[string]*dictRows{}}
	s.services[id] = svc
	for _, name := range s.o.ACLs {
		s.addACL(svc, v, name)
	}
	for _, name := range s.o.Dictionaries {
		s.addDict(svc, v, name)
	}
}

func (s *Server) addACL(svc *service, v *version, name string) *aclRows {
	a := &aclRows{id: s.newID(), name: name, made: s.now()}
	svc.acls[a.id], v.acls[name] = a, a.id
	return a
}

func (s *Server) addDict(svc *service, v *version, name string) *dictRows {
	d := &dictRows{id: s.newID(), name: name, made: s.now(), items: map[string]*item{}}
	svc.dicts[d.id], v.dicts[name] = d, d.id
	return d
}

// now has whole seconds, as Fastly's times have.
func (s *Server) now() time.Time { return s.o.Now().UTC().Truncate(time.Second) }

func (svc *service) active() *version {
	for _, v := range svc.versions {
		if v.active {
			return v
		}
	}
	return nil
}

func (svc *service) version(n int) *version {
	for _, v := range svc.versions {
		if v.number == n {
			return v
		}
	}
	return nil
}

// rows finds the rows of an ACL of the active version by its name.
func (s *Server) rows(serviceID, acl string) *aclRows {
	svc := s.services[serviceID]
	if svc == nil {
		panic("acltest: no service " + serviceID)
	}
	v := svc.active()
	if v == nil || svc.acls[v.acls[acl]] == nil {
		panic("acltest: the active version of " + serviceID + " has no ACL " + acl)
	}
	return svc.acls[v.acls[acl]]
}

// Entries returns a copy of an ACL's rows by ACL name, in the order of creation. It panics on a name there is not.
func (s *Server) Entries(service, acl string) []Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	rows := s.rows(service, acl).rows
	out := make([]Entry, len(rows))
	for i, e := range rows {
		out[i] = *e
	}
	return out
}

// Put adds a row by another hand, past every check, and returns its id.
func (s *Server) Put(service, acl string, e Entry) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.rows(service, acl)
	if e.ID == "" {
		e.ID = s.newID()
	}
	if e.Created.IsZero() {
		e.Created = s.now()
	}
	e.Updated = e.Created
	a.rows, a.match = append(a.rows, &e), nil
	return e.ID
}

// Remove takes a row away by another hand. It says whether there was one.
func (s *Server) Remove(service, acl, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.rows(service, acl)
	n := len(a.rows)
	a.rows, a.match = slices.DeleteFunc(a.rows, func(e *Entry) bool { return e.ID == id }), nil
	return len(a.rows) < n
}

// Dictionary returns a copy of an edge dictionary's items; nil when the active version has none of that name.
func (s *Server) Dictionary(service, name string) map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.dict(service, name)
	if d == nil {
		return nil
	}
	out := map[string]string{}
	for k, it := range d.items {
		out[k] = it.value
	}
	return out
}

// PutItem sets an item of a dictionary by another hand.
func (s *Server) PutItem(service, name, key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dict(service, name)
	if d == nil {
		panic("acltest: no dictionary " + name)
	}
	d.put(key, value, s.now())
}

func (s *Server) dict(service, name string) *dictRows {
	svc := s.services[service]
	if svc == nil || svc.active() == nil {
		return nil
	}
	return svc.dicts[svc.active().dicts[name]]
}

func (d *dictRows) put(key, value string, now time.Time) *item {
	it := d.items[key]
	if it == nil {
		it = &item{created: now}
		d.items[key] = it
		d.order = append(d.order, key)
	}
	it.value, it.updated = value, now
	return it
}

func (d *dictRows) drop(key string) bool {
	if d.items[key] == nil {
		return false
	}
	delete(d.items, key)
	d.order = slices.DeleteFunc(d.order, func(k string) bool { return k == key })
	return true
}

// RemoveACL takes an ACL out of the active version, as a colleague's activation does.
func (s *Server) RemoveACL(service, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.services[service].active().acls, name)
}

// RemoveDictionary takes a dictionary out of the active version.
func (s *Server) RemoveDictionary(service, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.services[service].active().dicts, name)
}

// Deactivate leaves a service without an active version.
func (s *Server) Deactivate(service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.services[service].versions {
		v.active = false
	}
}

// SetVCL sets what the active version does after its ACL declarations. Until it is called, the generated VCL asks
// every ACL.
func (s *Server) SetVCL(service, vcl string, snippets ...Snippet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.services[service].active()
	v.vcl, v.snippets = vcl, snippets
	if v.vcl == "" {
		v.vcl = "# empty\n"
	}
}

// generated is the VCL Fastly makes of a version: declarations, then what uses them.
func (v *version) generated() string {
	var b strings.Builder
	names := slices.Sorted(maps.Keys(v.acls))
	for _, n := range names {
		fmt.Fprintf(&b, "acl %s {\n}\n", n)
	}
	for _, n := range slices.Sorted(maps.Keys(v.dicts)) {
		fmt.Fprintf(&b, "table %s {\n}\n", n)
	}
	if v.vcl != "" {
		b.WriteString(v.vcl)
	} else {
		b.WriteString("sub vcl_recv {\n")
		for _, n := range names {
			fmt.Fprintf(&b, "  if (client.ip ~ %s) { set req.http.X-Matched = %q; }\n", n, n)
		}
		b.WriteString("}\n")
	}
	for _, sn := range v.snippets {
		if !sn.Dynamic {
			b.WriteString(sn.Content + "\n")
		}
	}
	return b.String()
}
