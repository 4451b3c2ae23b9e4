// Package licence names the licence of a Go module from the files it carries. What comes in is the folder of a module in the
// module cache; what goes out are SPDX identifiers. It guesses nothing: a text that no known licence covers is an error.
package licence

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/licensecheck"
)

// Allowed are the licences that a program under Apache-2.0 may be linked with and passed on without more than naming them.
var Allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// fileName matches the names licences stand under.
var fileName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-._].*)?$`)

// least is how much of a file, in per cent, must be the text of licences we know; the rest is names and years.
const least = 75

// Of gives the identifiers of all licences in the top folder of a module, sorted.
func Of(dir string) (ids []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || !fileName.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		cov := licensecheck.Scan(text)
		if cov.Percent < least {
			return nil, fmt.Errorf("%s: only %.0f %% of it is the text of a licence we know", e.Name(), cov.Percent)
		}
		for _, m := range cov.Match {
			if !m.IsURL {
				ids = append(ids, m.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no licence file in %s", filepath.Base(dir))
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Exceptions are modules that may carry more, each for its reason.
var Exceptions = map[string][]string{
	// One file for the whole Arrow repository: these are of C and C++ code in it that no Go package holds. All are permissive.
	"github.com/apache/arrow/go/v15": {"BSL-1.0", "HPND", "NCSA", "OpenSSL", "Zlib"},
	// Copyleft by file: linked unchanged, from the public source that go.sum names. A change to one of its files would have to
	// be published.
	"github.com/hashicorp/go-cleanhttp": {"MPL-2.0"},
}

// Refused are those of a module's licences that are not allowed.
func Refused(module string, ids []string) (refused []string) {
	for _, id := range ids {
		if !slices.Contains(Allowed, id) && !slices.Contains(Exceptions[module], id) {
			refused = append(refused, id)
		}
	}
	return refused
}
