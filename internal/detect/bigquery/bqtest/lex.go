package bqtest

import (
	"fmt"
	"strings"
)

// token is one piece of GoogleSQL: a word, a quoted name, a parameter, a
// literal or a sign. Comments and blanks are left out.
type token struct {
	kind byte // 'w' word, '`' quoted name, '@' parameter, '\'' text, '0' number, else the sign's first byte
	text string
}

// lex cuts a query into tokens.
// https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/lexical
func lex(sql string) ([]token, error) {
	var out []token
	for i := 0; i < len(sql); {
		rest := sql[i:]
		c := sql[i]
		switch {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			i++
		case c == '#' || strings.HasPrefix(rest, "--"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				return out, nil
			}
			i += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				return nil, fmt.Errorf("Syntax error: Unclosed comment")
			}
			i += n + 2
		case c == '`' || c == '\'' || c == '"':
			text, n, err := quoted(rest, false)
			if err != nil {
				return nil, err
			}
			if c == '"' {
				c = '\''
			}
			out = append(out, token{c, text})
			i += n
		case isWord(c):
			n := 1
			for n < len(rest) && isWord(rest[n]) {
				n++
			}
			if n < len(rest) && (rest[n] == '\'' || rest[n] == '"') && isPrefix(rest[:n]) {
				text, m, err := quoted(rest[n:], strings.ContainsAny(rest[:n], "rR"))
				if err != nil {
					return nil, err
				}
				out = append(out, token{'\'', text})
				i += n + m
				continue
			}
			kind := byte('w')
			if c >= '0' && c <= '9' {
				kind = '0'
			}
			out = append(out, token{kind, rest[:n]})
			i += n
		case c == '@' && len(rest) > 1 && isWord(rest[1]):
			n := 2
			for n < len(rest) && isWord(rest[n]) {
				n++
			}
			out = append(out, token{'@', rest[1:n]})
			i += n
		default:
			n := 1
			for _, op := range []string{"<=", ">=", "!=", "<>", "||", "<<", ">>", "=>"} {
				if strings.HasPrefix(rest, op) {
					n = 2
					break
				}
			}
			out = append(out, token{c, rest[:n]})
			i += n
		}
	}
	return out, nil
}

// quoted reads a quoted piece that s begins with, and returns its inside and
// its length with quotes.
func quoted(s string, raw bool) (text string, n int, err error) {
	q := s[:1]
	if len(s) >= 3 && q != "`" && s[1] == s[0] && s[2] == s[0] {
		q = s[:3]
	}
	for i := len(q); i < len(s); i++ {
		switch {
		case s[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(s[i:], q):
			return s[len(q):i], i + len(q), nil
		case s[i] == '\n' && len(q) == 1:
			return "", 0, fmt.Errorf("Syntax error: Unclosed string literal")
		}
	}
	return "", 0, fmt.Errorf("Syntax error: Unclosed string literal")
}

func isPrefix(s string) bool {
	switch strings.ToLower(s) {
	case "r", "b", "rb", "br":
		return true
	}
	return false
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
