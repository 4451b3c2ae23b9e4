// Package lists holds prefixes that must not be blocked, each with a reason and
// perhaps an expiry: the operator's allowlist, the built-in never-block set, Fastly's
// own ranges, verified crawlers.
//
// Entries come in from the configuration, from text, or from what is embedded here;
// an immutable [Set] goes out. A Set is asked by overlap, in both directions: a listed
// /24 protects every host in it, and a listed host protects itself from a block of any
// prefix around it. IPv4 and IPv6 never overlap; an IPv4-mapped IPv6 address is
// the IPv4 address it maps.
//
// Nothing is kept on disk except the last good copy of Fastly's ranges, when a
// caller of [FetchFastly] asks for one; it is replaced whole, by rename, so that a crash
// leaves the old copy or the new one.
package lists
