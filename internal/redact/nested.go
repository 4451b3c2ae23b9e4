package redact

// maxNested is how deep the value of a secret key is followed.
const maxNested = 64

// nested masks the strings and numbers in the JSON array or object that begins
// at i, at any depth, but not the keys of objects. One within another is masked
// with it, and not looked at again.
func (r *Redactor) nested(line []byte, i int, k key) (changed bool) {
	if i < r.within {
		return false
	}
	r.within, changed = r.inside(line, i, k)
	return changed
}

// inside does the work of nested and returns where it ends.
func (r *Redactor) inside(line []byte, i int, k key) (end int, changed bool) {
	var object uint64 // bit d: what is open at depth d is an object
	for depth := 0; i < len(line); {
		switch c := line[i]; {
		case c == '{' || c == '[':
			if depth++; depth == maxNested {
				return i, changed
			}
			object &^= 1 << depth
			if c == '{' {
				object |= 1 << depth
			}
			i++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i, changed
			}
			i++
		case c == ',' || c == ':' || c == ' ' || c == '\t' || isLetter(c): // true, false, null
			i++
		case c == '-' || isDigit(c):
			end := numberEnd(line, i)
			changed = fillNumber(line, i, end) || changed
			i = end
		default:
			from, q := opening(line, i)
			if from == 0 || !q.within(k) {
				return i, changed
			}
			end, own := closing(line, from, q)
			after := min(end+q.size(), len(line))
			if !own || object&(1<<depth) == 0 || !beforeColon(line, after) {
				changed = r.fill(line, scheme(line, from, k), end) || changed
			}
			if !own {
				return i, changed
			}
			i = after
		}
	}
	return i, changed
}

// beforeColon reports whether a colon follows at i: the string before it is a key.
func beforeColon(line []byte, i int) bool {
	i = skipGaps(line, i, false)
	return i < len(line) && line[i] == ':'
}
