// Package lists holds prefixes that must not be blocked, each with a reason and
// perhaps an expiry: the operator's allowlist, the built-in never-block set, Fastly's
// own ranges, verified crawlers.
//
// Entries come in from the configuration, from files and URLs, or from what is embedded
// here; an immutable [Set] goes out. A Set is asked by overlap, in both directions: a listed
// /24 protects every host in it, and a listed host protects itself from a block of any
// prefix around it. IPv4 and IPv6 never overlap; an IPv4-mapped IPv6 address is
// the IPv4 address it maps.
//
// [Load] reads everything for one run and never fails it:
//
//	read it ──▶ understood whole ──▶ covers no more than twice the last good copy ──▶ use it, keep it
//	   └───────────────┴──────────────────────┴──▶ the last good copy, else the embedded one, and a warning
//
// [Verify] asks name servers whether an address is the crawler it says it is.
//
// On disk there are last good copies and answers of name servers, in the one folder that
// Options.CacheDir names. Each file is replaced whole, by rename, so that a crash leaves
// the old copy or the new one; without the folder the embedded copies and the network do.
package lists
