package redact

import (
	"bytes"
	"net/url"
)

// spellings returns a secret as it is and as it looks in a URL, a form and a
// JSON string.
func spellings(s []byte) [][]byte {
	return [][]byte{
		bytes.Clone(s),
		[]byte(url.QueryEscape(string(s))),
		[]byte(url.PathEscape(string(s))),
		jsonEscape(s),
	}
}

// jsonEscape escapes what JSON demands, as VCL's json.escape does.
func jsonEscape(s []byte) []byte {
	const hex = "0123456789abcdef"
	var out []byte
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return out
}

// maskSecret masks each occurrence of one secret. Quotes and backslashes stay,
// since JSON may lean on them; in an unquoted number a digit becomes 1.
func (r *Redactor) maskSecret(line []byte, secret needle) (masked int) {
	for from := 0; ; {
		if from = secret.index(line, from, r.vectors); from < 0 {
			return masked
		}
		changed := false
		end := from + len(secret.text)
		for from += escaped(line, from); from < end; from++ {
			c := line[from]
			fill := byte('x')
			switch {
			case c == '"' || c == '\\':
				continue
			case isDigit(c) && r.bare(line, from):
				fill = '1'
			}
			changed = changed || c != fill
			line[from] = fill
		}
		masked += count(changed)
	}
}

// escaped returns how many bytes at i belong to an escape that began before, as
// the n of \\n does.
func escaped(line []byte, i int) int {
	n := 0
	for n < i && line[i-n-1] == '\\' {
		n++
	}
	switch {
	case n%2 == 0:
		return 0
	case line[i] == 'u':
		return 5
	}
	return 1
}
