package ledger

import "strings"

// IsTable reports whether a ledger's name is that of a BigQuery table, PROJECT.DATASET.TABLE, and not of a file: it has no slash,
// and two dots, or more where a colon shows a domain's project (example.com:p.d.t). A file of such a name is written ./NAME.
func IsTable(name string) bool {
	dots := strings.Count(name, ".")
	return !strings.ContainsAny(name, "/\\") && (dots == 2 || dots > 2 && strings.Contains(name, ":"))
}
