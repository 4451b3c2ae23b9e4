package query

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/option"
)

// Open returns a client whose jobs the billing project pays for. It makes no
// call; ctx bounds only the look for credentials. An empty endpoint is Google's;
// to one of http:// no credentials are sent and options are not used.
func Open(ctx context.Context, billing, endpoint string, options []option.ClientOption) (*bq.Client, error) {
	switch {
	case strings.HasPrefix(endpoint, "http://"):
		// A stand-in or an emulator. A token does not travel in the clear.
		options = []option.ClientOption{option.WithEndpoint(endpoint), option.WithoutAuthentication()}
	case endpoint != "":
		options = append([]option.ClientOption{option.WithEndpoint(endpoint)}, options...)
	}
	// The client keeps its context for refreshing tokens, so it gets one that
	// does not end with the call.
	client, err := bq.NewClient(context.WithoutCancel(ctx), billing, options...)
	if err != nil {
		// The client looks for credentials and does nothing else.
		return nil, fmt.Errorf("%s: %w", CredentialAdvice, err)
	}
	return client, nil
}

// CheckEndpoint says what is wrong with an endpoint.
func CheckEndpoint(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return fmt.Errorf("bigquery endpoint: not a URL of the form http://HOST:PORT or https://HOST without user and password")
	}
	return nil
}
