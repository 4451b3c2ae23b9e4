package acltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// reply is an answer held back until it is known whether it shall arrive.
type reply struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (w *reply) Header() http.Header { return w.header }

func (w *reply) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
}

func (w *reply) Write(b []byte) (int, error) { return w.body.Write(b) }

func (w *reply) status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

// plainError is true for what net/http's mux answers by itself.
func (w *reply) plainError() bool {
	return w.status() >= 400 && strings.HasPrefix(w.header.Get("Content-Type"), "text/plain")
}

// fail answers with Fastly's error body.
func (w *reply) fail(code int, msg, detail string) {
	w.code = code
	w.header.Set("Content-Type", "application/json")
	b := map[string]string{"msg": msg}
	if detail != "" {
		b["detail"] = detail
	}
	w.encode(b)
}

func (w *reply) badRequest(format string, args ...any) {
	w.fail(http.StatusBadRequest, "Bad request", fmt.Sprintf(format, args...))
}

// notFound answers as Fastly does: its detail is the text of a failed look-up.
func (w *reply) notFound(what, id string) {
	w.fail(http.StatusNotFound, "Record not found", fmt.Sprintf("Couldn't find %s '{ deleted => 0000-00-00 00:00:00, id => %s }'", what, id))
}

func (w *reply) encode(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("acltest: bug: " + err.Error())
	}
	w.body.Write(b)
}

func (w *reply) ok() { w.encode(map[string]string{"status": "ok"}) }

// readBody reads at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return b, fmt.Errorf("body is longer than %d bytes", limit)
	}
	return b, nil
}

type bodyKey struct{}

type heldBody struct {
	data []byte
	kind string
}

func withBody(ctx context.Context, data []byte, kind string) context.Context {
	return context.WithValue(ctx, bodyKey{}, heldBody{data, kind})
}

// fields reads a form or a flat JSON object. A JSON null is "", with its name present.
func fields(r *http.Request) (map[string]string, error) {
	h, _ := r.Context().Value(bodyKey{}).(heldBody)
	kind, _, _ := strings.Cut(h.kind, ";")
	if strings.TrimSpace(kind) == "application/json" {
		return jsonFields(h.data)
	}
	v, err := url.ParseQuery(string(h.data))
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for k := range v {
		m[k] = v.Get(k)
	}
	return m, nil
}

func jsonFields(data []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var raw map[string]any
	if err := dec.Decode(&raw); err != nil {
		return nil, err
	}
	m := map[string]string{}
	for k, v := range raw {
		s, err := scalar(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		m[k] = s
	}
	return m, nil
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	}
	return "", errors.New("must be a string or a number")
}

// operations reads a batch: {"<list>":[{…},…]}.
func operations(r *http.Request, list string) ([]map[string]string, error) {
	h, _ := r.Context().Value(bodyKey{}).(heldBody)
	if !strings.HasPrefix(h.kind, "application/json") {
		return nil, errors.New("a batch must be application/json")
	}
	var raw map[string][]json.RawMessage
	if err := json.Unmarshal(h.data, &raw); err != nil {
		return nil, err
	}
	if raw[list] == nil {
		return nil, fmt.Errorf("%s is missing", list)
	}
	ops := make([]map[string]string, 0, len(raw[list]))
	for i, b := range raw[list] {
		m, err := jsonFields(b)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", list, i, err)
		}
		ops = append(ops, m)
	}
	return ops, nil
}

// page cuts one page out of n rows and sets the Link header, which is there only when there is more than one page.
func (s *Server) page(w *reply, r *http.Request, n int) (from, to int) {
	q := r.URL.Query()
	per, page := atoi(q.Get("per_page"), s.o.PerPage), atoi(q.Get("page"), 1)
	per = min(per, s.o.MaxPerPage)
	last := max(1, (n+per-1)/per)
	if last > 1 && !s.o.NoLink {
		link := func(p int, rel string) string {
			u := url.Values{}
			for k := range q {
				u.Set(k, q.Get(k))
			}
			u.Set("page", strconv.Itoa(p))
			u.Set("per_page", strconv.Itoa(per))
			return fmt.Sprintf("<http://%s%s?%s>; rel=%q", r.Host, r.URL.Path, u.Encode(), rel)
		}
		links := []string{link(last, "last")}
		if page < last {
			links = append(links, link(page+1, "next"))
		}
		w.header.Set("Link", strings.Join(links, ", "))
	}
	from = min((page-1)*per, n)
	return from, min(from+per, n)
}

func atoi(s string, def int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return def
	}
	return n
}
