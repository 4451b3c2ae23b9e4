package licence_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"edgewarden/tools/licence"
)

// TestALicenceIsKnownByItsText, which is read from our own and, for the others, given.
func TestALicenceIsKnownByItsText(t *testing.T) {
	ours, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	isc := "Copyright 2020 A. Author\n\nPermission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, " +
		"provided that the above copyright notice and this permission notice appear in all copies.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\" AND THE AUTHOR DISCLAIMS ALL WARRANTIES " +
		"WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR " +
		"CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT " +
		"OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.\n"
	for name, tc := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"ours":                {map[string]string{"LICENSE": string(ours)}, []string{"Apache-2.0"}},
		"two":                 {map[string]string{"LICENSE": string(ours), "LICENSE.isc": isc}, []string{"Apache-2.0", "ISC"}},
		"none":                {map[string]string{"README.md": isc}, nil},
		"words of our own":    {map[string]string{"LICENSE": "You may use this on Tuesdays, if you ask nicely and tell nobody."}, nil},
		"half of a known one": {map[string]string{"LICENSE": isc + "\nAnd you must send the author a cake each year, of a kind that the author likes, before the end of May, at your own cost, or stop using this software and all that was made with it at once, and tell everybody to whom you gave it to do the same, in writing and within a week.\n" + "Any court may hear a dispute about the cake, and the loser pays the lawyers of both sides, the travel of the witnesses, and one more cake.\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := licence.Of(dir)
			if !slices.Equal(got, tc.want) || (err == nil) != (tc.want != nil) {
				t.Errorf("%v, error %v; want %v", got, err, tc.want)
			}
		})
	}
	if r := licence.Refused("example.org/m", []string{"MIT", "MPL-2.0"}); !slices.Equal(r, []string{"MPL-2.0"}) {
		t.Errorf("refused %v", r)
	}
	if r := licence.Refused("github.com/hashicorp/go-cleanhttp", []string{"MPL-2.0", "GPL-3.0"}); !slices.Equal(r, []string{"GPL-3.0"}) {
		t.Errorf("of an exception refused %v", r)
	}
}
