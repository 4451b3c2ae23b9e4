package acl

import (
	"context"
	"regexp"
	"strings"

	"github.com/fastly/go-fastly/v8/fastly"
)

// readReferences notes for each ACL whether the active version asks it. The generated VCL is enough when all are in it;
// only else are the dynamic snippets read, which it does not hold. What cannot be read counts as referenced: a missing
// permission must not raise an alarm.
func (c *Client) readReferences(ctx context.Context, s *Snapshot) error {
	vcl, err := c.generated(ctx, s)
	if err == nil && !allReferenced(s, vcl) {
		var more string
		if more, err = c.dynamicSnippets(ctx, s); err == nil {
			vcl += "\n" + more
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.o.Logger.Info("the active version's VCL cannot be read; taking its ACLs as referenced", "err", err)
	}
	for _, l := range s.lists() {
		l.Referenced = err != nil || references(vcl, l.Name)
	}
	return nil
}

func (c *Client) generated(ctx context.Context, s *Snapshot) (string, error) {
	var v *fastly.VCL
	_, err := c.read(ctx, "get generated VCL", func(f *fastly.Client) (err error) {
		v, err = f.GetGeneratedVCL(&fastly.GetGeneratedVCLInput{ServiceID: s.Target.ServiceID, ServiceVersion: s.Version})
		return err
	})
	if err != nil || v == nil {
		return "", err
	}
	return v.Content, nil
}

func (c *Client) dynamicSnippets(ctx context.Context, s *Snapshot) (string, error) {
	var list []*fastly.Snippet
	_, err := c.readArray(ctx, "list snippets", func(f *fastly.Client) (err error) {
		list, err = f.ListSnippets(&fastly.ListSnippetsInput{ServiceID: s.Target.ServiceID, ServiceVersion: s.Version})
		return err
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, sn := range list {
		if sn == nil || sn.Dynamic != 1 {
			continue
		}
		var d *fastly.DynamicSnippet
		_, err := c.read(ctx, "get dynamic snippet", func(f *fastly.Client) (err error) {
			d, err = f.GetDynamicSnippet(&fastly.GetDynamicSnippetInput{ServiceID: s.Target.ServiceID, ID: sn.ID})
			return err
		})
		if err != nil {
			return "", err
		}
		b.WriteString(d.Content + "\n")
	}
	return b.String(), nil
}

func allReferenced(s *Snapshot, vcl string) bool {
	for _, l := range s.lists() {
		if l.ID != "" && !references(vcl, l.Name) {
			return false
		}
	}
	return true
}

var vclComment = regexp.MustCompile(`(?s)/\*.*?\*/|#[^\n]*|//[^\n]*`)

// references reports whether VCL matches something against the ACL: declaring it is not asking it.
func references(vcl, name string) bool {
	use := regexp.MustCompile(`!?~\s*` + regexp.QuoteMeta(name) + `\b`)
	if !use.MatchString(vcl) {
		return false
	}
	return use.MatchString(vclComment.ReplaceAllString(vcl, " "))
}
