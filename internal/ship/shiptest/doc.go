// Package shiptest is a stand-in for Cloud Logging's write API: a gRPC server
// on a socket, with the real service definition and wire types, as strict as
// the real one where that is documented. It keeps what it was sent and can
// fail in every way a client has to survive.
//
//	srv := shiptest.Start(t)
//	srv.Fail(codes.Unavailable, 3)         // the next three calls
//	sink, err := ship.NewCloudLogging(ctx, ship.CloudLoggingOptions{Endpoint: srv.Addr(), Insecure: true, …})
//	…
//	srv.Entries()                          // what a query would show, duplicates removed
package shiptest
