package acltest

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const made = "2024-01-01T00:00:00Z" // of services and versions, where nothing depends on it

func wireVersion(svc *service, v *version) map[string]any {
	return map[string]any{
		"number": v.number, "active": v.active, "locked": v.locked, "deployed": false, "staging": false, "testing": false,
		"comment": "", "service_id": svc.id, "deleted_at": nil, "created_at": made, "updated_at": made,
	}
}

func (s *Server) getService(w *reply, _ *http.Request, svc *service) { w.encode(wireService(svc)) }

func (s *Server) getDetails(w *reply, _ *http.Request, svc *service) {
	m := wireService(svc)
	m["active_version"], m["version"] = nil, wireVersion(svc, svc.versions[len(svc.versions)-1])
	if v := svc.active(); v != nil {
		m["active_version"] = wireVersion(svc, v)
	}
	w.encode(m)
}

func wireService(svc *service) map[string]any {
	vs := make([]map[string]any, 0, len(svc.versions))
	for _, v := range svc.versions {
		vs = append(vs, wireVersion(svc, v))
	}
	return map[string]any{
		"id": svc.id, "name": svc.id, "type": "vcl", "comment": "", "customer_id": "CUSTOMER1", "versions": vs,
		"deleted_at": nil, "created_at": made, "updated_at": made,
	}
}

func (s *Server) listVersions(w *reply, _ *http.Request, svc *service) {
	w.encode(wireService(svc)["versions"])
}

func (s *Server) getVersion(w *reply, _ *http.Request, svc *service, v *version) {
	w.encode(wireVersion(svc, v))
}

func (s *Server) cloneVersion(w *reply, _ *http.Request, svc *service, v *version) {
	n := &version{number: svc.versions[len(svc.versions)-1].number + 1, acls: maps.Clone(v.acls), dicts: maps.Clone(v.dicts), vcl: v.vcl, snippets: slices.Clone(v.snippets)}
	svc.versions = append(svc.versions, n)
	w.encode(wireVersion(svc, n))
}

func (s *Server) activateVersion(w *reply, _ *http.Request, svc *service, v *version) {
	for _, o := range svc.versions {
		o.active = false
	}
	v.active, v.locked = true, true
	w.encode(wireVersion(svc, v))
}

func wireACL(svc *service, v *version, a *aclRows) map[string]any {
	return map[string]any{
		"id": a.id, "name": a.name, "service_id": svc.id, "version": strconv.Itoa(v.number), "deleted_at": nil,
		"created_at": a.made.Format(time.RFC3339), "updated_at": a.made.Format(time.RFC3339),
	}
}

func (s *Server) listACLs(w *reply, _ *http.Request, svc *service, v *version) {
	out := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(v.acls)) {
		out = append(out, wireACL(svc, v, svc.acls[v.acls[name]]))
	}
	w.encode(out)
}

func (s *Server) getACL(w *reply, r *http.Request, svc *service, v *version) {
	a := svc.acls[v.acls[r.PathValue("name")]]
	if a == nil {
		w.notFound("ACL", r.PathValue("name"))
		return
	}
	w.encode(wireACL(svc, v, a))
}

var containerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_ ]*$`)

// newName reads the name of a container to be made in a draft version.
func newName(w *reply, r *http.Request, v *version, have map[string]string) (string, bool) {
	f, err := fields(r)
	switch {
	case err != nil:
		w.badRequest("%v", err)
	case v.locked:
		w.fail(http.StatusUnprocessableEntity, "Version is locked", "")
	case !containerName.MatchString(f["name"]):
		w.badRequest("Name must start with alphabetical and contain only alphanumeric, underscore, and whitespace")
	case have[f["name"]] != "":
		w.fail(http.StatusConflict, "Duplicate record", "Duplicate name: '"+f["name"]+"'")
	default:
		return f["name"], true
	}
	return "", false
}

func (s *Server) createACL(w *reply, r *http.Request, svc *service, v *version) {
	if name, ok := newName(w, r, v, v.acls); ok {
		w.encode(wireACL(svc, v, s.addACL(svc, v, name)))
	}
}

func wireDict(svc *service, v *version, d *dictRows) map[string]any {
	return map[string]any{
		"id": d.id, "name": d.name, "service_id": svc.id, "version": v.number, "write_only": false, "deleted_at": nil,
		"created_at": d.made.Format(time.RFC3339), "updated_at": d.made.Format(time.RFC3339),
	}
}

func (s *Server) listDicts(w *reply, _ *http.Request, svc *service, v *version) {
	out := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(v.dicts)) {
		out = append(out, wireDict(svc, v, svc.dicts[v.dicts[name]]))
	}
	w.encode(out)
}

func (s *Server) getDict(w *reply, r *http.Request, svc *service, v *version) {
	d := svc.dicts[v.dicts[r.PathValue("name")]]
	if d == nil {
		w.notFound("Dictionary", r.PathValue("name"))
		return
	}
	w.encode(wireDict(svc, v, d))
}

func (s *Server) createDict(w *reply, r *http.Request, svc *service, v *version) {
	if name, ok := newName(w, r, v, v.dicts); ok {
		w.encode(wireDict(svc, v, s.addDict(svc, v, name)))
	}
}

func (s *Server) generatedVCL(w *reply, _ *http.Request, svc *service, v *version) {
	w.encode(map[string]any{"name": "generated", "main": true, "service_id": svc.id, "version": v.number, "content": v.generated(), "deleted_at": nil})
}

// listSnippets leaves out the content of dynamic ones, as Fastly does.
func (s *Server) listSnippets(w *reply, _ *http.Request, svc *service, v *version) {
	out := []map[string]any{}
	for _, sn := range v.snippets {
		m := map[string]any{"id": "snip-" + sn.Name, "name": sn.Name, "service_id": svc.id, "version": strconv.Itoa(v.number),
			"dynamic": "0", "type": "recv", "priority": "100", "content": sn.Content, "deleted_at": nil, "created_at": made, "updated_at": made}
		if sn.Dynamic {
			m["dynamic"], m["content"] = "1", nil
		}
		out = append(out, m)
	}
	w.encode(out)
}

func (s *Server) dynamicSnippet(w *reply, r *http.Request, svc *service) {
	for _, v := range svc.versions {
		for _, sn := range v.snippets {
			if sn.Dynamic && "snip-"+sn.Name == r.PathValue("snippet") {
				w.encode(map[string]any{"service_id": svc.id, "snippet_id": "snip-" + sn.Name, "content": sn.Content, "created_at": made, "updated_at": made})
				return
			}
		}
	}
	w.notFound("Snippet", r.PathValue("snippet"))
}
