package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/plain"
)

// requestID is what our log format writes; anything else cannot be one.
var requestID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// requestFound is the request that was asked about by its id.
type requestFound struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Refused bool      `json:"refused"` // at the edge, by our ACL
	Status  int64     `json:"status"`
	Shield  bool      `json:"shield,omitempty"`    // only a shield's line has the id
	Trust   []string  `json:"untrusted,omitempty"` // only lines that are not trusted have the id: it may be made up
	Others  []string  `json:"others,omitempty"`    // other addresses that lines with this id name, less to be trusted or older
}

// reaches are how far back a request is looked for. Who reports a block page has seen it lately, and over BigQuery a day may be
// more than --max-bytes allows.
var reaches = []time.Duration{24 * time.Hour, 6 * time.Hour, time.Hour}

// whoMade finds who made a request, on every service that has it. Without any the error says so; with some it says which stores
// failed.
func (c *cycle) whoMade(ctx context.Context, id string) (found []subject, err error) {
	var failed []error
	var looked []string
	for _, svc := range c.Services {
		c.busy.Step("looking for the request" + ofService(svc.ID))
		rows, reach, err := c.lookUp(ctx, svc, id)
		if err != nil {
			failed = append(failed, fmt.Errorf("looking for request %s%s: %w", id, ofService(svc.ID), err))
			continue
		}
		request, address := choose(id, rows)
		if address == "" {
			if len(rows) > 0 {
				failed = append(failed, fmt.Errorf("no line of request %s%s has an address", id, ofService(svc.ID)))
				continue
			}
			looked = append(looked, "the last "+short(reach)+ofService(svc.ID))
			continue
		}
		prefix, err := parsePrefix(address)
		if err != nil {
			failed = append(failed, fmt.Errorf("request %s%s: %w", id, ofService(svc.ID), err))
			continue
		}
		found = append(found, subject{svc, prefix, request})
	}
	if len(found) == 0 && len(looked) > 0 {
		failed = append([]error{fmt.Errorf("no request %s in %s", id, strings.Join(looked, ", nor in "))}, failed...)
	}
	return found, errors.Join(failed...)
}

// lookUp asks for the rows of a request, over a shorter time when a longer one is too dear; reach is how far it looked.
func (c *cycle) lookUp(ctx context.Context, svc config.Service, id string) (rows []detect.Sighting, reach time.Duration, err error) {
	query := detect.Query{Set: c.compiled[svc.ID].set, ServiceID: svc.ID, TrustForgeable: c.Policy.TrustForgeable, TrustUnauthenticated: c.Policy.TrustUnauthenticated}
	for _, reach = range reaches {
		// Up to now and not to T: who calls has just seen the block page, and a row that is not there yet does no harm here.
		scan := query.Lookup(id, c.now.Add(-reach), c.now, &rows)
		if err = c.affords(ctx, svc, scan, reach); err == nil {
			_, err = c.engine.Scan(ctx, scan)
		}
		if !tooMuch(err) {
			break
		}
		c.log.Warn("looking for the request less far back", "service_id", svc.ID, "not", short(reach), "err", err)
	}
	return rows, reach, err
}

// affords says on the log what a scan will read, where reading costs, and refuses what is above --max-bytes.
func (c *cycle) affords(ctx context.Context, svc config.Service, scan detect.Scan, window time.Duration) error {
	store, paid := paidBy(c.engine)
	if !paid {
		return nil
	}
	scan.Dry = true
	n, err := store.Scan(ctx, scan)
	if err != nil {
		return err
	}
	c.log.Info("the query would read", "service_id", svc.ID, "bytes", n, "window", short(window))
	if n > store.MaxBytes() {
		return fmt.Errorf("%s are more than --max-bytes allows: %w", bytesText(n), bigquery.ErrTooManyBytes)
	}
	return nil
}

// choose takes the row that says most of a request: rows come with those first that can be trusted most.
func choose(id string, rows []detect.Sighting) (request *requestFound, address string) {
	for _, r := range rows {
		switch {
		case r.Key == "":
		case request == nil:
			address = r.Key
			request = &requestFound{ID: id, At: r.At(), Refused: r.Refused == 1, Status: r.Status, Shield: r.Shield == 1, Trust: trustWords(r.Trust())}
		case r.Key != address && !slices.Contains(request.Others, r.Key):
			request.Others = append(request.Others, r.Key)
		}
	}
	return request, address
}

// text is one sentence: "request X at T from A was refused at the edge".
func (r *requestFound) text(address string) string {
	did := "was refused at the edge"
	if !r.Refused {
		did = fmt.Sprintf("was let through and answered with status %d", r.Status)
	}
	text := fmt.Sprintf("request %s at %s from %s %s", r.ID, r.At.UTC().Format(time.RFC3339), address, did)
	switch {
	case r.Shield:
		text += "; only a shield's line has it, which may name another address than the client's"
	case len(r.Trust) > 0:
		text += "; only lines that are not trusted have it, so it may be made up: " + strings.Join(r.Trust, ", ")
	}
	if n := len(r.Others); n > 0 {
		text += "; lines less to be trusted, or older, name " + plain.Text(strings.Join(r.Others[:min(n, 5)], ", "), 0)
		if n > 5 {
			text += fmt.Sprintf(" and %d more", n-5)
		}
	}
	return text
}
