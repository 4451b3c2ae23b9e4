// Package gcp answers two questions about Google Cloud: with what credentials
// to call it ([ClientOptions]), and as what this process appears in its logs
// ([Resource]).
//
// What comes in: environment variables, and on GKE the metadata server. What
// goes out: options for Google's client libraries, and a monitored resource.
// Nothing is written anywhere: credentials stay in memory and never appear in
// an error. Nothing here survives, or needs to survive, a crash.
package gcp
