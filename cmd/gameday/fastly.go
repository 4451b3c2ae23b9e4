package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"edgewarden/internal/acl/acltest"
)

// serveFastly serves the stand-in alone until ctx ends.
func serveFastly(ctx context.Context, listen string, stderr io.Writer) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening for the Fastly stand-in: %w", err)
	}
	server := &http.Server{Handler: acltest.New(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(stderr, "msg=\"listening\" addr=%s service=SVC1\n", l.Addr())
	go func() {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(stop)
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
