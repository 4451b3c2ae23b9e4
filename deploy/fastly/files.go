// Package fastly holds the files that make a Fastly service a part of
// edgewarden: two VCL snippets and the log format. It is a package so that
// ingest fastly-setup can print them wherever it runs.
package fastly

import (
	_ "embed"
	"strings"
)

// Recv is the vcl_recv snippet, to be given priority [Priority].
//
//go:embed recv.vcl
var Recv string

//go:embed error.vcl
var errorSnippet string

// Format is the log format for the format field of a logging endpoint, as
// logformat.Format makes it.
//
//go:embed log.format
var Format string

// Priority of both snippets: lower numbers run first, and 100 is what others have.
const Priority = 5

// DefaultContact stands on the block page until somebody puts a real one there.
const DefaultContact = "support@example.com"

// Error returns the vcl_error snippet with what the block page tells a customer
// to write to: an address, a URL, a telephone number.
func Error(contact string) string {
	return strings.ReplaceAll(errorSnippet, DefaultContact, contact)
}
