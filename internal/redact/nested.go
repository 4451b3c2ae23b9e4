package redact

// maxNested is how deep the value of a secret key is followed.
const maxNested = 64

// nested masks the strings and numbers in the JSON array or object that begins
// at i, at any depth, but not the keys of objects.
func (r *Redactor) nested(line []byte, i int, k key) (changed bool) {
	var object uint64 // bit d: what is open at depth d is an object
	for depth := 0; i < len(line); {
		switch c := line[i]; {
		case c == '{' || c == '[':
			if depth++; depth == maxNested {
				return changed
			}
			object &^= 1 << depth
			if c == '{' {
				object |= 1 << depth
			}
			i++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return changed
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
				return changed
			}
			end, own := closing(line, from, q)
			after := min(end+q.size(), len(line))
			if !own || object&(1<<depth) == 0 || !beforeColon(line, after) {
				changed = r.fill(line, scheme(line, from, k), end) || changed
			}
			if !own {
				return changed
			}
			i = after
		}
	}
	return changed
}

// beforeColon reports whether a colon follows at i: the string before it is a key.
func beforeColon(line []byte, i int) bool {
	i = skipGaps(line, i, false)
	return i < len(line) && line[i] == ':'
}
