package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Error is a fault in a file.
type Error struct {
	File         string
	Line, Column int // 1-based; 0 when the fault has no place
	Msg          string
}

// Error is file:line:column: message, which editors and terminals make a link of.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// join puts faults into the order of the file and joins them; nil when there are none.
func join(faults []*Error) error {
	slices.SortStableFunc(faults, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	errs := make([]error, 0, len(faults))
	for i, f := range faults {
		if i > 0 && *f == *faults[i-1] {
			continue
		}
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}
