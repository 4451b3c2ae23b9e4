package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"edgewarden/internal/lake"
	"edgewarden/internal/parse"
	"edgewarden/internal/record"
	"edgewarden/internal/redact"
)

// run imports the files one after the other. A file is stored whole or not at
// all; the first error ends the command, and running it again is harmless:
// what is there already is replaced.
func (c *importCmd) run(ctx context.Context, p *program) error {
	if c.ServiceID != "" {
		if err := checkService("service-id", c.ServiceID); err != nil {
			return err
		}
	}
	tokens, err := (&serveCmd{}).tokens(p.getenv)
	if err != nil {
		return err
	}
	for _, file := range c.Files {
		im := importing{file: file, lake: c.Lake, serviceID: c.ServiceID, tokens: tokens, now: time.Now().UTC()}
		if err := im.run(ctx); err != nil {
			return fmt.Errorf("importing %s: %w", file, err)
		}
		fmt.Fprintf(p.stdout, "%s: %d lines, %d requests, %d not understood, %d hours, %d values masked\n",
			file, im.lines, im.requests, im.lines-im.requests, im.stored.Hours, im.masked)
		if im.lines > 0 && im.requests == 0 {
			fmt.Fprintf(p.stderr, "ingest: %s: no line is understood as a request: is it an access log? The lines are stored as text, with why in problem\n", file)
		}
	}
	return nil
}

// importing is the import of one file.
type importing struct {
	file, lake, serviceID string
	tokens                [][]byte
	now                   time.Time

	stored                  lake.Imported
	lines, requests, masked int
}

// run reads the file twice: its SHA-256 names what is stored, so it has to be
// known before the first row.
func (im *importing) run(ctx context.Context) error {
	f, err := os.Open(im.file)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	hexSum := hex.EncodeToString(sum.Sum(nil))
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := lake.NewImporter(im.lake, hexSum)
	if err != nil {
		return err
	}
	defer to.Abort()
	sum.Reset()
	if err := im.read(ctx, io.TeeReader(f, sum), to); err != nil {
		return err
	}
	if _, err := io.Copy(sum, f); err != nil { // what a decompressor left behind its data
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != hexSum {
		return errors.New("the file changed while it was read; import a file that is complete")
	}
	im.stored, err = to.Commit(ctx)
	return err
}

// read sends every line of r through the rooms a line from a socket goes through.
func (im *importing) read(ctx context.Context, r io.Reader, to *lake.Importer) error {
	r, err := unpacked(r)
	if err != nil {
		return err
	}
	var (
		mask   = redact.New(im.tokens...)
		parser = parse.New()
		framer = parse.NewFramer(parse.FramerOptions{Tokens: im.tokens})
		rec    record.Record
		failed error
	)
	emit := func(f parse.Frame) {
		if failed != nil {
			return
		}
		f.Unterminated = false // a file's last line often has no line end; that is no sign of a cut
		n := maskFrame(mask, f)
		im.masked += n.Cards + n.Secrets
		parser.Parse(f.Line, parse.Meta{Received: im.now, Sender: record.SenderImport, ServiceID: im.serviceID, Cut: f.Cut, Length: f.Length}, &rec)
		im.lines++
		if rec.Kind == record.KindRequest {
			im.requests++
		}
		failed = to.Add(&rec)
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		framer.Feed(buf[:n], emit)
		if err == nil {
			err = errors.Join(failed, ctx.Err())
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	framer.Close(emit)
	return failed
}

// unpacked undoes gzip and zstd, told by their first bytes.
func unpacked(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		return gzip.NewReader(b)
	case string(magic) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return b, nil
}
