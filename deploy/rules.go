// Package deploy holds what an operator starts from. It is a package so that the rehearsal plays with the very rules that are
// shipped.
package deploy

import _ "embed"

// Rules are the starter rules, rules.yaml.
//
//go:embed rules.yaml
var Rules string
