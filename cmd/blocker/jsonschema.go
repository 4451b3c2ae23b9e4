package main

// schemaVersion is the key "schema" of every document that --json prints. It changes when a key is renamed, removed or gets another
// meaning; a new key does not change it. docs/schema describes the documents.
const schemaVersion = 1
