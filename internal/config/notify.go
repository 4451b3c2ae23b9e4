package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// notifyKinds is what can be told; the names are those of internal/notify.
var notifyKinds = []string{"failure", "not_enforced", "refusal", "recovery", "change"}

func (r *reader) notify(n ast.Node, c *Notify) {
	r.mapping(n, "notify", keys{
		"url_file": r.word(&c.URLFile, "url_file"),
		"form":     r.oneOf(&c.Form, "form", "json", "slack"),
		"on": func(n ast.Node) {
			for _, item := range r.list(n, "on") {
				var kind string
				if r.oneOf(&kind, "on", notifyKinds...)(item); kind != "" && !slices.Contains(c.On, kind) {
					c.On = append(c.On, kind)
				}
			}
		},
		"max_entries":    r.integer(&c.MaxEntries, "max_entries", 1, 50),
		"mask_addresses": r.yes(&c.MaskAddresses, "mask_addresses"),
	})
}

// yes reads true or false into dst.
func (r *reader) yes(dst *bool, what string) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what)
		if !ok {
			return
		}
		switch strings.ToLower(s) {
		case "true":
			*dst = true
		case "false":
			*dst = false
		default:
			r.fail(n, "%s is %s, want true or false", what, show(s))
		}
	}
}
