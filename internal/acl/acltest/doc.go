// Package acltest is a stand-in for the part of Fastly's API that edgewarden uses, as an [http.Handler] that is as
// strict as the real one.
//
// In come HTTP requests as any Fastly client sends them, form or JSON. Out come Fastly's wire shapes with their
// oddities: negated is a string in lists and a number in replies, subnet is a number or null, host bits stay as they
// were submitted, a batch answers {"status":"ok"} and names no ids, pages carry Link headers, writes (and only writes)
// carry Fastly-RateLimit headers and count against an hourly limit.
//
// Where Fastly documents nothing, the stand-in takes the answer that is worst for a client: a batch is applied
// operation by operation up to the first bad one, a repeated address makes a second entry, a 429 tells nothing about
// when the limit ends. [Options] turn some of that round. A [Fault] makes one answer slow, lost, empty or wrong, or lets
// another hand change the ACL between two requests.
//
// Nothing is stored: a Server that goes away takes its state with it. All methods are safe for concurrent use.
//
// Sources: https://www.fastly.com/documentation/reference/api/acls/acl-entry/ ,
// https://www.fastly.com/documentation/reference/api/dictionaries/dictionary-item/ and the recorded replies in
// github.com/fastly/go-fastly (fastly/fixtures).
package acltest
