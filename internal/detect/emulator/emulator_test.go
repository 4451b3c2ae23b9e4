package emulator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"github.com/goccy/bigquery-emulator/server"
	"github.com/goccy/bigquery-emulator/types"
	"google.golang.org/api/option"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/bigquery"
	"edgewarden/internal/record"
)

const (
	project = "proj"
	dataset = "logs"
)

// emulator is one emulator with its client.
type emulator struct {
	url    string
	client *bq.Client
	tables int
}

// start runs an emulator in this process, on loopback, until the test ends.
func start(t *testing.T) *emulator {
	t.Helper()
	srv, err := server.New(server.TempStorage)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.SetProject(project); err != nil {
		t.Fatal(err)
	}
	if err := srv.Load(server.StructSource(types.NewProject(project, types.NewDataset(dataset)))); err != nil {
		t.Fatal(err)
	}
	h := srv.TestServer() // not its Handler alone, which asks the server for its address
	client, err := bq.NewClient(t.Context(), project, option.WithEndpoint(h.URL), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		h.Close()
		if err := srv.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &emulator{url: h.URL, client: client}
}

// open makes a table of the kind, puts the records into it and opens the engine on it.
func (e *emulator) open(t *testing.T, k kind, recs []record.Record) detect.Engine {
	t.Helper()
	e.tables++
	name := fmt.Sprintf("t%d", e.tables)
	table := e.client.Dataset(dataset).Table(name)
	// The client asks again for as long as the emulator answers 500, which it
	// does for its own panics.
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := table.Create(ctx, &bq.TableMetadata{Schema: k.schema(), TimePartitioning: &bq.TimePartitioning{Field: k.time}}); err != nil {
		t.Fatalf("create table: %v", err)
	}
	if err := load(ctx, table.Inserter(), k, recs); err != nil {
		t.Fatalf("insert rows: %v", err)
	}
	opt := bigquery.Options{Table: project + "." + dataset + "." + name, Kind: k.kind, Location: "US", Endpoint: e.url, Columns: k.columns}
	engine, err := bigquery.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return engine
}

// row is what the client inserts.
type row map[string]bq.Value

// Save gives a row without an id for the inserter's own deduplication, which a
// table that a stream writes does not have either.
func (r row) Save() (map[string]bq.Value, string, error) { return r, bq.NoDedupeID, nil }

func load(ctx context.Context, in *bq.Inserter, k kind, recs []record.Record) error {
	var rows []row
	for i := range recs {
		rows = append(rows, k.rows(i, &recs[i])...)
	}
	const batch = 500
	for len(rows) > 0 {
		n := min(batch, len(rows))
		if err := in.Put(ctx, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
