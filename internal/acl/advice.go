package acl

import (
	"errors"
	"fmt"
	"time"
)

// ByHandAdvice says what to do when a command that lets traffic through (stop, unblock) failed because Fastly's API is down
// or cannot be reached: the edge does not ask the API, it goes on enforcing what it has. It is "" for any other error, where
// the error itself says what to do. s may be nil, when nothing could be read.
func ByHandAdvice(err error, t Target, s *Snapshot, now time.Time) string {
	if !isDown(err) {
		return ""
	}
	t = t.filled()
	enforcing := "the edge goes on enforcing what it has, at most until the lease ends (a day after the last good run, unless configured otherwise)"
	switch {
	case s != nil && s.ControlID != "" && !now.Before(s.EnforceUntil):
		enforcing = "the edge enforces nothing at this time: its lease has ended"
	case s != nil && !s.EnforceUntil.IsZero():
		enforcing = "the edge goes on enforcing what it has until " + s.EnforceUntil.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("Fastly's API does not answer; %s. By hand, if Fastly's page works: service %s, dictionary %s, set the item %s to 0: the edge then blocks nobody. "+
		"To let one address through, add it to the ACL %s there. Neither needs a new version.", enforcing, t.ServiceID, t.Control, itemLease, t.Exempt)
}

// isDown reports whether Fastly's API did not answer, or answered that it is broken.
func isDown(err error) bool {
	var e *APIError
	return errors.As(err, &e) && !errors.Is(err, ErrReadOnly) && (e.Status == 0 || e.Status >= 500)
}
