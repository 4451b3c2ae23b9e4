package parse

import (
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends what the inside of a JSON string means. Invalid bytes and
// lone surrogates become U+FFFD each, as encoding/json does; bad reports that
// there were invalid bytes. The escapes in p are known to be well formed.
func unescape(dst, p []byte) (out []byte, bad bool) {
	for i := 0; i < len(p); {
		switch c := p[i]; {
		case c == '\\' && p[i+1] == 'u':
			r, n := unicodeEscape(p[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		case c == '\\':
			dst = append(dst, plainEscape(p[i+1]))
			i += 2
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(p[i:])
			bad = bad || (r == utf8.RuneError && n == 1)
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst, bad
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unicodeEscape decodes \uXXXX, or two of them when they are a pair.
func unicodeEscape[T string | []byte](p T) (r rune, n int) {
	r, _ = hex4(p[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(p) >= 12 && p[6] == '\\' && p[7] == 'u' {
		if low, ok := hex4(p[8:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return utf8.RuneError, 6
}

// valid appends p with each invalid byte replaced by U+FFFD.
func valid(dst, p []byte) []byte {
	for i := 0; i < len(p); {
		if p[i] < utf8.RuneSelf {
			dst = append(dst, p[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(p[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

// verbatim appends a piece of valid JSON as it is, except for what would make
// others refuse it: invalid bytes and lone surrogates become U+FFFD.
func verbatim(dst, p []byte) []byte {
	for i := 0; i < len(p); {
		switch c := p[i]; {
		case c == '\\' && p[i+1] == 'u':
			r, n := unicodeEscape(p[i:])
			if r == utf8.RuneError {
				dst = append(dst, `\ufffd`...)
			} else {
				dst = append(dst, p[i:i+n]...)
			}
			i += n
		case c == '\\':
			dst = append(dst, p[i], p[i+1])
			i += 2
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(p[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst
}

// appendQuoted appends s, which is valid UTF-8, as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
