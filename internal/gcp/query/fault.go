package query

import (
	"errors"
	"net"
	"strings"
	"syscall"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"
)

// fault is what BigQuery said, whichever of the library's two error types
// carried it: googleapi.Error for a refused call, bigquery.Error for a job that
// failed. The reasons are listed at
// https://docs.cloud.google.com/bigquery/docs/error-messages.
type fault struct {
	code    int // HTTP status; 0 for a failed job
	reason  string
	message string
}

func faultOf(err error) (fault, bool) {
	f, ok := said(err)
	// The emulator calls every failure an internal error; only the message
	// tells. https://github.com/goccy/bigquery-emulator
	switch {
	case strings.Contains(f.message, "Table not found"):
		f.reason = "notFound"
	case strings.Contains(f.message, "failed to analyze"):
		f.reason = "invalidQuery"
	}
	return f, ok
}

func said(err error) (fault, bool) {
	var api *googleapi.Error
	if errors.As(err, &api) {
		f := fault{code: api.Code, message: api.Message}
		if len(api.Errors) > 0 {
			f.reason = api.Errors[0].Reason
			if f.message == "" {
				f.message = api.Errors[0].Message
			}
		}
		return f, true
	}
	var job *bq.Error
	if errors.As(err, &job) {
		return fault{reason: job.Reason, message: job.Message}, true
	}
	return fault{}, false
}

// transient reports whether a job that failed so is worth another job. It is
// the list of reasons the library retries for a call that enqueues a job, plus
// the same reasons as a failed job spells them.
func (f fault) transient() bool {
	switch f.reason {
	case "backendError", "internalError", "jobBackendError", "jobInternalError", "rateLimitExceeded", "jobRateLimitExceeded", "tableUnavailable":
		return true
	case "":
		return f.code >= 500 && f.code != 501
	}
	return f.code == 500 || f.code == 502 || f.code == 503 || f.code == 504
}

// Unreachable reports whether err says that nobody answered.
func Unreachable(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || errors.As(err, &op) || errors.Is(err, syscall.ECONNREFUSED)
}

func noCredentials(err error) bool {
	s := err.Error()
	return strings.Contains(s, "could not find default credentials") || strings.Contains(s, "cannot fetch token") ||
		strings.Contains(s, "oauth2:") || strings.Contains(s, "credentials:")
}
