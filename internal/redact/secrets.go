package redact

import (
	"bytes"
	"net/url"
	"strings"
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

// needle is a text to look for, by way of the byte in it that log lines hold
// least of.
type needle struct {
	text []byte
	rare int // its place in text
}

// common are the bytes of log lines, the most frequent first.
const common = `e"/t,_:ao.sir1n0 -2cl5d3p8m4h6u97bgyTfwvkMACSPEOLIRDNHG;()x=&%KWUBFVX+\\`

func newNeedle(text []byte) needle {
	n, best := needle{text: text}, -1
	for i, c := range text {
		rank := strings.IndexByte(common, c)
		if rank < 0 {
			rank = len(common)
		}
		if rank > best {
			n.rare, best = i, rank
		}
	}
	return n
}

// index returns where the needle stands at or after from, or -1.
func (n *needle) index(line []byte, from int) int {
	for i := from + n.rare; i < len(line); i++ {
		k := bytes.IndexByte(line[i:], n.text[n.rare])
		if k < 0 {
			return -1
		}
		i += k
		if start := i - n.rare; bytes.HasPrefix(line[start:], n.text) {
			return start
		}
	}
	return -1
}

// maskSecret masks each occurrence of one secret. Quotes and backslashes stay,
// since JSON may lean on them; in an unquoted number a digit becomes 1.
func (r *Redactor) maskSecret(line []byte, secret needle) (masked int) {
	for from := 0; ; {
		if from = secret.index(line, from); from < 0 {
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
