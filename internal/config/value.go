package config

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// readLimited reads a file up to maxFile.
func readLimited(f io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("is longer than %d bytes", maxFile)
	}
	return string(text), err
}

func invalidAt(s string) int {
	for i, c := range s {
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return len(s)
}

// text reads any scalar as it is written: 5m, true and 42 are texts too.
func (r *reader) text(n ast.Node, what string) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		r.fail(n, "%s has no value", what)
		return "", false
	}
	r.fail(n, "%s is a text, not %s", what, kindOf(n))
	return "", false
}

// word is text into dst; an empty one is a fault.
func (r *reader) word(dst *string, what string) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what)
		if ok && strings.TrimSpace(s) == "" {
			r.fail(n, "%s is empty", what)
			return
		}
		*dst = strings.TrimSpace(s)
	}
}

// words is a list of texts, or one text, into dst.
func (r *reader) words(dst *[]string, what string) func(ast.Node) {
	return func(n ast.Node) {
		if _, single := n.(ast.ScalarNode); single && kindOf(n) != "nothing" {
			var s string
			r.word(&s, what)(n)
			*dst = []string{s}
			return
		}
		for _, item := range r.list(n, what) {
			var s string
			if r.word(&s, what)(item); s != "" {
				*dst = append(*dst, s)
			}
		}
	}
}

// duration reads a duration within limits into dst.
func (r *reader) duration(dst *time.Duration, what string, least, most time.Duration) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what)
		if !ok {
			return
		}
		d, err := ParseDuration(s)
		switch {
		case err != nil:
			r.fail(n, "%s: %v", what, err)
		case d < least || d > most:
			r.fail(n, "%s is %s: want %s to %s", what, s, FormatDuration(least), FormatDuration(most))
		default:
			*dst = d
		}
	}
}

// integer reads a whole number within limits into dst.
func (r *reader) integer(dst *int, what string, least, most int) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what)
		if !ok {
			return
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < least || i > most {
			r.fail(n, "%s is %q: want a whole number from %d to %d", what, s, least, most)
			return
		}
		*dst = i
	}
}

// share reads a fraction or a percentage, more than 0 and at most 1, into dst.
func (r *reader) share(dst *float64, what string) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what)
		if !ok {
			return
		}
		number, percent := strings.CutSuffix(s, "%")
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if percent {
			f /= 100
		}
		if err != nil || !(f > 0 && f <= 1) {
			r.fail(n, "%s is %q: want a share above 0 and at most 1, such as 0.05 or 5%%", what, s)
			return
		}
		*dst = f
	}
}

// factor reads a number of at least 1 into dst.
func (r *reader) factor(dst *float64, what string, most float64) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what)
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f >= 1 && f <= most) {
			r.fail(n, "%s is %q: want a number from 1 (always the same length) to %g", what, s, most)
			return
		}
		*dst = f
	}
}

// size reads a number of bytes into dst.
func (r *reader) size(dst *int64, what string) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what)
		if !ok {
			return
		}
		b, err := ParseSize(s)
		if err != nil {
			r.fail(n, "%s: %v", what, err)
			return
		}
		*dst = b
	}
}

// ParseDuration reads a duration: Go's form (90s, 15m, 1h30m) with, in front, weeks
// and days of 24 hours (7d, 1w2d, 1d12h). A number without a unit is an error.
func ParseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration: write a number with its unit, such as 90s, 15m, 1h30m or 7d", s)
	rest, total := strings.TrimSpace(s), 0.0
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, ok := strings.Cut(rest, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, bad
		}
		total += float64(n) * float64(unit.is)
		rest = after
		if rest == "" {
			return checked(total, bad)
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || rest == "0" {
		return 0, bad
	}
	if d < 0 {
		return 0, fmt.Errorf("%q is negative", s)
	}
	return checked(total+float64(d), bad)
}

func checked(d float64, bad error) (time.Duration, error) {
	if d >= math.MaxInt64 {
		return 0, bad
	}
	return time.Duration(d), nil
}

// FormatDuration is a duration as a person writes it: 7d, 1h30m.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sizes = []struct {
	unit string
	is   float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads a number of bytes: 1073741824, 50GiB, 1.5 TB. It is above zero.
func ParseSize(s string) (int64, error) {
	text := strings.TrimSpace(s)
	for _, u := range sizes {
		number, ok := strings.CutSuffix(text, u.unit)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if f *= u.is; err != nil || !(f >= 1 && f < math.MaxInt64) {
			break
		}
		return int64(f), nil
	}
	return 0, errors.New(strconv.Quote(s) + " is no size: write a number of bytes, perhaps with KiB, MiB, GiB or TiB, such as 50GiB")
}
