package config

import (
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

var (
	projectRE  = regexp.MustCompile(`^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	hostPortRE = regexp.MustCompile(`^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$`)
)

func (r *reader) monitoring(n ast.Node, c *Monitoring) {
	places := r.mapping(n, "monitoring", keys{
		"project":  r.matching(&c.Project, "project", projectRE, "the id of a Google Cloud project, such as my-project"),
		"endpoint": r.matching(&c.Endpoint, "endpoint", hostPortRE, "HOST:PORT"),
	})
	if at := places["endpoint"]; at != nil && places["project"] == nil {
		r.fail(at, "monitoring has an endpoint and no project")
	}
}
