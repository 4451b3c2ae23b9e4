// Package detecttest is the one test both engines pass: it loads records into
// an engine, asks it, and compares the whole answer with a straightforward
// computation in Go ([Reference]), which shares neither SQL nor the histogram
// with the engines.
package detecttest
