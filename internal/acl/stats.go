package acl

import (
	"context"
	"strconv"
	"time"

	"github.com/fastly/go-fastly/v8/fastly"
)

// LogLines is how many log lines Fastly says it sent for a service from one minute to another, over all its logging
// endpoints. The last minutes are not complete: Fastly gathers its historical statistics with a delay of some minutes.
// https://www.fastly.com/documentation/reference/api/metrics-stats/historical-stats/
func (c *Client) LogLines(ctx context.Context, serviceID string, from, to time.Time) (uint64, error) {
	var got *fastly.StatsResponse
	what := "get statistics"
	_, err := c.read(ctx, what, func(f *fastly.Client) (err error) {
		got, err = f.GetStats(&fastly.GetStatsInput{Service: serviceID, By: "minute",
			From: strconv.FormatInt(from.Unix(), 10), To: strconv.FormatInt(to.Unix(), 10)})
		return err
	})
	if err != nil {
		return 0, err
	}
	if got == nil || got.Status != "success" {
		return 0, &APIError{What: what, Status: 200, Message: "the reply does not say success"}
	}
	var n uint64
	for _, d := range got.Data {
		if d != nil {
			n += d.Log
		}
	}
	return n, nil
}
