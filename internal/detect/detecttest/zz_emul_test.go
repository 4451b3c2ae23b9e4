package detecttest_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"edgewarden/internal/detect"
	"edgewarden/internal/detect/detecttest"
	"edgewarden/internal/record"
)

type emul struct {
	t     *testing.T
	c     *bigquery.Client
	table string
	recs  []record.Record
}

func (e *emul) Close() error { return nil }

func run[T any](e *emul, st detect.Statement, dest func(*T) []any) ([]T, error) {
	q := e.c.Query(st.SQL)
	for _, p := range st.Params {
		q.Parameters = append(q.Parameters, bigquery.QueryParameter{Name: p.Name, Value: p.Value})
	}
	start := time.Now()
	it, err := q.Read(context.Background())
	if err != nil {
		return nil, err
	}
	var out []T
	for {
		var vals []bigquery.Value
		err := it.Next(&vals)
		if err == iterator.Done {
			break
		}
		if err != nil {
			return nil, err
		}
		var r T
		for i, d := range dest(&r) {
			switch d := d.(type) {
			case *int64:
				v, ok := vals[i].(int64)
				if !ok {
					return nil, fmt.Errorf("col %d: %T %v", i, vals[i], vals[i])
				}
				*d = v
			case *float64:
				v, ok := vals[i].(float64)
				if !ok {
					return nil, fmt.Errorf("col %d: %T %v", i, vals[i], vals[i])
				}
				*d = v
			case *string:
				v, ok := vals[i].(string)
				if !ok {
					return nil, fmt.Errorf("col %d: %T %v", i, vals[i], vals[i])
				}
				*d = v
			}
		}
		out = append(out, r)
	}
	e.t.Log("took", time.Since(start), len(out), "rows")
	return out, nil
}

func (e *emul) src() detect.Source {
	return detect.Source{From: "`logs." + e.table + "`", Time: "timestamp", Column: func(f record.Field) string { return "`" + record.Fields[f].Name + "`" }}
}
func (e *emul) Detect(ctx context.Context, q detect.Query) (detect.Result, error) {
	st, err := q.Set.DetectSQL(detect.BigQuery, e.src(), q)
	if err != nil {
		return detect.Result{}, err
	}
	rows, err := run(e, st, (*detect.Row).Dest)
	if err != nil {
		return detect.Result{}, fmt.Errorf("%w\n%s", err, st.SQL)
	}
	r := detect.Assemble(q, rows)
	r.SQL = st.SQL
	l := detecttest.Reference(q, e.recs).Health
	r.Health.Loss, r.Health.LossKnown = l.Loss, l.LossKnown
	return r, nil
}
func (e *emul) Evidence(ctx context.Context, q detect.Query, off []detect.Offender) error {
	if len(off) == 0 {
		return nil
	}
	st, err := q.Set.EvidenceSQL(detect.BigQuery, e.src(), q, off)
	if err != nil {
		return err
	}
	rows, err := run(e, st, (*detect.EvidenceRow).Dest)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, st.SQL)
	}
	detect.AttachEvidence(q, off, rows)
	return nil
}

type saver struct{ r *record.Record }

func (s saver) Save() (map[string]bigquery.Value, string, error) {
	m := map[string]bigquery.Value{}
	for f := record.Field(0); f < record.NumFields; f++ {
		if !s.r.Has(f) {
			continue
		}
		switch record.Fields[f].Type {
		case record.String:
			m[record.Fields[f].Name] = *s.r.Str(f)
		case record.Int:
			m[record.Fields[f].Name] = *s.r.Int(f)
		case record.Bool:
			m[record.Fields[f].Name] = *s.r.Bool(f)
		case record.Time:
			m[record.Fields[f].Name] = *s.r.Time(f)
		}
	}
	return m, "", nil
}

func TestEmulator(t *testing.T) {
	ep := os.Getenv("EMUL")
	if ep == "" {
		t.Skip()
	}
	c, err := bigquery.NewClient(context.Background(), "proj", option.WithEndpoint(ep), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	n := time.Now().UnixNano() % 1000000
	detecttest.Run(t, func(t *testing.T, recs []record.Record) detect.Engine {
		n++
		e := &emul{t, c, fmt.Sprintf("t%d", n), recs}
		var schema bigquery.Schema
		for _, f := range record.Fields {
			typ := [...]bigquery.FieldType{bigquery.StringFieldType, bigquery.IntegerFieldType, bigquery.BooleanFieldType, bigquery.TimestampFieldType}[f.Type]
			schema = append(schema, &bigquery.FieldSchema{Name: f.Name, Type: typ})
		}
		tb := c.Dataset("logs").Table(e.table)
		if err := tb.Create(context.Background(), &bigquery.TableMetadata{Schema: schema}); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(recs); i += 500 {
			var s []bigquery.ValueSaver
			for j := i; j < min(i+500, len(recs)); j++ {
				s = append(s, saver{&recs[j]})
			}
			if err := tb.Inserter().Put(context.Background(), s); err != nil {
				t.Fatal(err)
			}
		}
		return e
	})
	_ = strings.TrimSpace
}
