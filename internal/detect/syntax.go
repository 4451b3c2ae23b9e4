package detect

import (
	"regexp"
	"strings"
)

// What the parser says of a text that is no expression, in words of its own trade.
var (
	unexpected   = regexp.MustCompile(`(?s)^Syntax error: (?:mismatched|extraneous) input '(.*)' expecting (.*)$`)
	missing      = regexp.MustCompile(`(?s)^Syntax error: missing '(.*)' at '(.*)'$`)
	unrecognized = regexp.MustCompile(`(?s)^Syntax error: token recognition error at: '(.*)'$`)
	percentage   = regexp.MustCompile(`[0-9]\s*%`)
)

// endOfText is the parser's name for it.
const endOfText = "<EOF>"

// syntaxMessage says the parser's message in plain words, and adds what to do for the slips people coming from SQL,
// a spreadsheet or a shell make.
func syntaxMessage(text, msg string) string {
	said := strings.ToLower(msg[:1]) + msg[1:]
	if m := unexpected.FindStringSubmatch(msg); m != nil {
		said = standsWhere(m[1], expected(m[2]))
	} else if m := missing.FindStringSubmatch(msg); m != nil {
		said = standsWhere(m[2], m[1]+" is expected")
	} else if m := unrecognized.FindStringSubmatch(msg); m != nil {
		said = "nothing can be made of " + strings.TrimSpace(m[1])
		if strings.HasPrefix(m[1], "'") || strings.HasPrefix(m[1], `"`) {
			said = "the text " + m[1] + " has no end: its closing quote is missing"
		}
	}
	return said + advice(text, said)
}

func standsWhere(token, expected string) string {
	if token == endOfText {
		return "the expression ends where " + expected
	}
	return token + " stands where " + expected
}

// expected is what the parser would have taken, from its own list: {'[', '(', STRING, …}.
func expected(list string) string {
	switch {
	case strings.Contains(list, "IDENTIFIER"):
		return "a value is expected"
	case list == endOfText:
		return "the expression could end, or go on with && or ||"
	}
	return strings.ReplaceAll(strings.ReplaceAll(strings.Trim(list, "{}"), "'", ""), ", ", " or ") + " is expected"
}

func advice(text, said string) string {
	switch {
	case strings.Contains(said, "made of =>"):
		return "; write >= for at least"
	case strings.Contains(said, "made of =") && !strings.Contains(text, "=="):
		return "; write == to compare"
	case percentage.MatchString(text):
		return "; a share is a number from 0 to 1: 50 % is 0.5"
	case containsWord(text, "and"), containsWord(text, "or"), containsWord(text, "not"):
		return "; write && for and, || for or, ! for not"
	}
	return ""
}

func containsWord(text, word string) bool {
	for _, w := range strings.Fields(strings.ToLower(text)) {
		if w == word {
			return true
		}
	}
	return false
}
