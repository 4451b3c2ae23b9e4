package config

import (
	"fmt"
	"regexp"
	"strings"
)

// secretKey recognises keys that would hold a secret. Those that name a file do not.
var secretKey = regexp.MustCompile(`(?i)(token|secret|passw(or)?d|api[-_]?key|credential|private[-_]?key|authorization)`)
var fileKey = regexp.MustCompile(`(?i)[-_]file$`)

// elsewhere says where keys belong that are right, but not here: PART.KEY.
var elsewhere = map[string]string{
	"notify.url": "the URL is a secret, since whoever has it can post: give it in EDGEWARDEN_NOTIFY_URL, or in a file named by url_file",
}

// unknownKey is the message for a key nobody reads. The value is not repeated: it
// may be a secret.
func unknownKey(what, name string, known []string) string {
	shown := show(name)
	if secretKey.MatchString(name) && !fileKey.MatchString(name) {
		return fmt.Sprintf("%s: secrets have no place in this file, which people read, copy and commit: take it out, and give the Fastly token in FASTLY_API_TOKEN or by fastly: {token_file: PATH}; a secret that stood here should be replaced", shown)
	}
	if note, ok := elsewhere[what+"."+name]; ok {
		return fmt.Sprintf("unknown key %s in %s: %s", shown, what, note)
	}
	if guess := nearest(name, known); guess != "" {
		return fmt.Sprintf("unknown key %s in %s: did you mean %s?", shown, what, guess)
	}
	return fmt.Sprintf("unknown key %s in %s: the keys are %s", shown, what, strings.Join(known, ", "))
}

// show quotes a name, cut to a length that is still a name.
func show(name string) string {
	if r := []rune(name); len(r) > 48 {
		name = string(r[:48]) + "…"
	}
	return fmt.Sprintf("%q", name)
}

// nearest is the known word that differs least, if it differs little.
func nearest(word string, known []string) string {
	word = strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	best, least := "", 3
	if len(word) > 64 {
		return ""
	}
	for _, k := range known {
		limit := least
		if d := distance(word, k); d < limit && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to add, drop, change or swap (restricted
// Damerau–Levenshtein).
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range len(b) + 1 {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
