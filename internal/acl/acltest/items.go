package acltest

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Limits of a dictionary item. https://www.fastly.com/documentation/reference/api/dictionaries/dictionary-item/
const (
	maxKey   = 256
	maxValue = 8000
)

func wireItem(svc *service, d *dictRows, key string) map[string]any {
	it := d.items[key]
	return map[string]any{
		"service_id": svc.id, "dictionary_id": d.id, "item_key": key, "item_value": it.value, "deleted_at": nil,
		"created_at": it.created.Format(time.RFC3339), "updated_at": it.updated.Format(time.RFC3339),
	}
}

func (s *Server) listItems(w *reply, r *http.Request, svc *service, d *dictRows) {
	keys := slices.Clone(d.order)
	from, to := s.page(w, r, len(keys))
	out := make([]map[string]any, 0, to-from)
	for _, k := range keys[from:to] {
		out = append(out, wireItem(svc, d, k))
	}
	w.encode(out)
}

func (s *Server) getItem(w *reply, r *http.Request, svc *service, d *dictRows) {
	key := r.PathValue("key")
	if d.items[key] == nil {
		w.notFound("DictionaryItem", key)
		return
	}
	w.encode(wireItem(svc, d, key))
}

// createItem refuses a key that is there.
func (s *Server) createItem(w *reply, r *http.Request, svc *service, d *dictRows) {
	f, err := fields(r)
	if err == nil {
		err = checkItem(f["item_key"], f["item_value"])
	}
	if err != nil {
		w.badRequest("%v", err)
		return
	}
	if d.items[f["item_key"]] != nil {
		w.fail(http.StatusConflict, "Duplicate record", "Duplicate item_key: '"+f["item_key"]+"'")
		return
	}
	d.put(f["item_key"], f["item_value"], s.now())
	w.encode(wireItem(svc, d, f["item_key"]))
}

// putItem is PUT: insert or update. PATCH only updates.
func (s *Server) putItem(w *reply, r *http.Request, svc *service, d *dictRows) {
	key := r.PathValue("key")
	f, err := fields(r)
	if err == nil {
		err = checkItem(key, f["item_value"])
	}
	if err != nil {
		w.badRequest("%v", err)
		return
	}
	if r.Method == http.MethodPatch && d.items[key] == nil {
		w.notFound("DictionaryItem", key)
		return
	}
	d.put(key, f["item_value"], s.now())
	w.encode(wireItem(svc, d, key))
}

func (s *Server) deleteItem(w *reply, r *http.Request, _ *service, d *dictRows) {
	if !d.drop(r.PathValue("key")) {
		w.notFound("DictionaryItem", r.PathValue("key"))
		return
	}
	w.ok()
}

func (s *Server) batchItems(w *reply, r *http.Request, _ *service, d *dictRows) {
	ops, err := operations(r, "items")
	if err != nil {
		w.badRequest("%v", err)
		return
	}
	if len(ops) > s.o.MaxOperations {
		w.badRequest("exceeding max operations of %d", s.o.MaxOperations)
		return
	}
	for i, op := range ops {
		if err := d.operate(op, s.now()); err != nil {
			w.badRequest("item %d: %v", i, err)
			return
		}
	}
	w.ok()
}

func (d *dictRows) operate(op map[string]string, now time.Time) error {
	key, have := op["item_key"], d.items[op["item_key"]] != nil
	if op["op"] == "delete" {
		if !d.drop(key) {
			return fmt.Errorf("couldn't find item_key %q", key)
		}
		return nil
	}
	if err := checkItem(key, op["item_value"]); err != nil {
		return err
	}
	switch {
	case op["op"] == "create" && have:
		return fmt.Errorf("duplicate item_key %q", key)
	case op["op"] == "update" && !have:
		return fmt.Errorf("couldn't find item_key %q", key)
	case op["op"] != "create" && op["op"] != "update" && op["op"] != "upsert":
		return fmt.Errorf("op %q must be create, update, upsert or delete", op["op"])
	}
	d.put(key, op["item_value"], now)
	return nil
}

func checkItem(key, value string) error {
	switch {
	case key == "" || len(key) > maxKey:
		return fmt.Errorf("item_key must have 1 to %d characters", maxKey)
	case value == "":
		return fmt.Errorf("item_value can't be blank")
	case len(value) > maxValue:
		return fmt.Errorf("item_value is longer than %d", maxValue)
	}
	return nil
}
