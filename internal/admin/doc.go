// Package admin serves the operator's port: /metrics for Prometheus, /healthz
// (the process answers) and /readyz (it does its work, or says why not).
//
// The port has no authentication and speaks plain HTTP, so it belongs on a
// loopback address or behind a network policy. Nothing it serves is a log line
// or a secret, but the page of a run names addresses, paths and user agents. A
// crash of the process is all that ends it early.
package admin
