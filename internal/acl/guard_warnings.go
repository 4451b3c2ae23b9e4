package acl

import (
	"fmt"

	"edgewarden/internal/detect"
)

// The limits that only warn, see WarnsOnly. Their checks stand alone, so that whoever says what to do about the data judges it
// as the guard does.

// CheckNotClient warns of addresses no client can have. They are never blocked anyhow, and whoever can send requests from such
// a range, from another service at Fastly say, must not be able to stop the blocks of everybody else.
func (l Limits) CheckNotClient(h detect.Health) Check {
	return warning(LimitNotClient, share(h.TrustedNotClient, h.Trusted), l.filled().NotClient,
		fmt.Sprintf("%d of %d trusted rows have a private address or one of Fastly's own: the line logs a proxy or a shield; log client.ip at the first hop", h.TrustedNotClient, h.Trusted))
}

// CheckClaims warns of clients that claim another address in Fastly-Client-IP. Anybody can send that header, so it must never stop
// a block. In our format it does no harm either: rows count under the address that connected. Where the operator trusts
// addresses out of headers (forgeable), one such row already tells that somebody may choose whom we block, unless the limit is
// off or 1.
func (l Limits) CheckClaims(h detect.Health, forgeable bool) Check {
	limit := l.filled().ClaimsOtherIP
	note := fmt.Sprintf("%d of %d trusted rows came with a Fastly-Client-IP that is not their address", h.TrustedClaims, h.Trusted)
	if forgeable && limit < 1 {
		limit, note = min(limit, 0), note+", and trust allows forgeable_address"
	}
	return warning(LimitClaims, share(h.TrustedClaims, h.Trusted), limit, note)
}

// CheckRepeats warns of requests that a shield logs again. Its value is a share of 0 while fewer than ten repeat an id: a few of a
// quiet minute tell nothing. Clients may be who chooses the ids, so it must never stop a block.
func (l Limits) CheckRepeats(r detect.Repeats) Check {
	value := share(r.Repeated, r.Rows)
	if r.Repeated < atLeast {
		value = 0
	}
	c := warning(LimitRepeats, value, l.filled().RepeatedIDs, fmt.Sprintf("%d of %d rows of minute %s repeat a request id: a shield logs each request again, and it counts twice, or clients send the id",
		r.Repeated, r.Rows, r.Minute.UTC().Format("15:04")))
	if r == (detect.Repeats{}) && c.Note == "" {
		c.Note = "not looked at"
	}
	return c
}

// warning is the check of a share; the note is for one that is more than the limit. A negative limit is off.
func warning(name string, value, limit float64, note string) Check {
	switch {
	case limit < 0:
		return Check{name, value, limit, true, "switched off"}
	case value <= limit:
		return Check{name, value, limit, true, ""}
	}
	return Check{name, value, limit, false, note}
}

// warn notes a check that was made outside of the guard.
func (g *guard) warn(c Check) { g.check(c.Name, c.Value, c.Limit, c.Passed, c.Note) }
