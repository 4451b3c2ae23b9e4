package acltest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

type serviceHandler func(w *reply, r *http.Request, svc *service)

type versionHandler func(w *reply, r *http.Request, svc *service, v *version)

// routes is the table of what the stand-in answers.
func (s *Server) routes() {
	s.mux.HandleFunc("GET /tokens/self", s.tokenSelf)
	s.mux.HandleFunc("GET "+publicList, publicRanges)
	s.service("GET /service/{sid}", s.getService)
	s.service("GET /service/{sid}/details", s.getDetails)
	s.service("GET /service/{sid}/version", s.listVersions)
	s.service("GET /service/{sid}/snippet/{snippet}", s.dynamicSnippet)
	s.service("GET /stats/service/{sid}", s.stats)

	s.version("GET /service/{sid}/version/{v}", s.getVersion)
	s.version("PUT /service/{sid}/version/{v}/clone", s.cloneVersion)
	s.version("PUT /service/{sid}/version/{v}/activate", s.activateVersion)
	s.version("GET /service/{sid}/version/{v}/acl", s.listACLs)
	s.version("POST /service/{sid}/version/{v}/acl", s.createACL)
	s.version("GET /service/{sid}/version/{v}/acl/{name}", s.getACL)
	s.version("GET /service/{sid}/version/{v}/dictionary", s.listDicts)
	s.version("POST /service/{sid}/version/{v}/dictionary", s.createDict)
	s.version("GET /service/{sid}/version/{v}/dictionary/{name}", s.getDict)
	s.version("GET /service/{sid}/version/{v}/generated_vcl", s.generatedVCL)
	s.version("GET /service/{sid}/version/{v}/snippet", s.listSnippets)

	s.acl("GET /service/{sid}/acl/{acl}/entries", s.listEntries)
	s.acl("PATCH /service/{sid}/acl/{acl}/entries", s.batch)
	s.acl("POST /service/{sid}/acl/{acl}/entry", s.createEntry)
	s.acl("GET /service/{sid}/acl/{acl}/entry/{entry}", s.getEntry)
	s.acl("PATCH /service/{sid}/acl/{acl}/entry/{entry}", s.patchEntry)
	s.acl("DELETE /service/{sid}/acl/{acl}/entry/{entry}", s.deleteEntry)

	s.dictionary("GET /service/{sid}/dictionary/{dict}/items", s.listItems)
	s.dictionary("PATCH /service/{sid}/dictionary/{dict}/items", s.batchItems)
	s.dictionary("POST /service/{sid}/dictionary/{dict}/item", s.createItem)
	s.dictionary("GET /service/{sid}/dictionary/{dict}/item/{key}", s.getItem)
	s.dictionary("PUT /service/{sid}/dictionary/{dict}/item/{key}", s.putItem)
	s.dictionary("PATCH /service/{sid}/dictionary/{dict}/item/{key}", s.putItem)
	s.dictionary("DELETE /service/{sid}/dictionary/{dict}/item/{key}", s.deleteItem)
}

// service finds the service and holds the lock while h runs: one request at a time, as one row of a database.
func (s *Server) service(pattern string, h serviceHandler) {
	s.mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
		w := rw.(*reply)
		s.mu.Lock()
		defer s.mu.Unlock()
		svc := s.services[r.PathValue("sid")]
		if svc == nil {
			w.notFound("Service", r.PathValue("sid"))
			return
		}
		h(w, r, svc)
	})
}

func (s *Server) version(pattern string, h versionHandler) {
	s.service(pattern, func(w *reply, r *http.Request, svc *service) {
		n, err := strconv.Atoi(r.PathValue("v"))
		if v := svc.version(n); err == nil && v != nil {
			h(w, r, svc, v)
			return
		}
		w.notFound("Version", r.PathValue("v"))
	})
}

func (s *Server) acl(pattern string, h func(*reply, *http.Request, *service, *aclRows)) {
	s.service(pattern, func(w *reply, r *http.Request, svc *service) {
		if a := svc.acls[r.PathValue("acl")]; a != nil {
			h(w, r, svc, a)
			return
		}
		w.notFound("ACL", r.PathValue("acl"))
	})
}

func (s *Server) dictionary(pattern string, h func(*reply, *http.Request, *service, *dictRows)) {
	s.service(pattern, func(w *reply, r *http.Request, svc *service) {
		if d := svc.dicts[r.PathValue("dict")]; d != nil {
			h(w, r, svc, d)
			return
		}
		w.notFound("Dictionary", r.PathValue("dict"))
	})
}

// publicList is the one call that needs no token.
const publicList = "/public-ip-list"

// publicRanges answers two of Fastly's own ranges, in the shape of the whole list. No token is needed.
// https://www.fastly.com/documentation/reference/api/utils/public-ip-list/
func publicRanges(rw http.ResponseWriter, _ *http.Request) {
	rw.(*reply).encode(map[string][]string{"addresses": {"23.235.32.0/20"}, "ipv6_addresses": {"2a04:4e40::/32"}})
}

// tokenSelf tells what a token may do. A token that nobody described says that it is limited to the services there are, as
// one should be, unless Options.GlobalToken.
func (s *Server) tokenSelf(rw http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Fastly-Key")
	t, _ := s.token(key)
	if _, described := s.o.Tokens[key]; !described && !s.o.GlobalToken {
		t.Services = s.o.Services
	}
	scope := t.Scope
	if scope == "" {
		scope = "global"
		if t.ReadOnly {
			scope = "global:read"
		}
	}
	m := map[string]any{
		"id": "TOKEN1", "user_id": t.User, "customer_id": "CUSTOMER1", "name": "edgewarden", "scope": scope, "scopes": []string{scope},
		"services": append([]string{}, t.Services...), "created_at": made, "last_used_at": made, "expires_at": nil, "ip": "127.0.0.1",
	}
	if !t.Expires.IsZero() {
		m["expires_at"] = t.Expires.UTC().Format(time.RFC3339)
	}
	rw.(*reply).encode(m)
}

// AddLogged counts n log lines as sent by service at a time; they show in its statistics.
func (s *Server) AddLogged(service string, at time.Time, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.services[service]
	svc.logged = append(svc.logged, logged{at, n})
}

// stats answers the historical statistics of a service by the minute, with the count of log lines.
// https://www.fastly.com/documentation/reference/api/metrics-stats/historical-stats/
func (s *Server) stats(w *reply, r *http.Request, svc *service) {
	from, to := atoi(r.URL.Query().Get("from"), 0), atoi(r.URL.Query().Get("to"), 1<<62)
	sums := map[int64]uint64{}
	for _, l := range svc.logged {
		if u := l.at.Unix(); u >= int64(from) && u < int64(to) {
			sums[l.at.Truncate(time.Minute).Unix()] += l.n
		}
	}
	data := []map[string]any{}
	for t, n := range sums {
		data = append(data, map[string]any{"service_id": svc.id, "start_time": t, "log": n})
	}
	slices.SortFunc(data, func(a, b map[string]any) int { return int(a["start_time"].(int64) - b["start_time"].(int64)) })
	w.encode(map[string]any{"status": "success", "msg": nil, "meta": map[string]any{"by": "minute", "region": "all"}, "data": data})
}
