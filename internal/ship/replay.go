package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"edgewarden/internal/parse"
	"edgewarden/internal/record"
)

// Replayed is what a replay did.
type Replayed struct {
	Delivered int // stored, and no longer dead letters
	Refused   int // refused again; they stay
	Other     int // letters of another sink; they stay
}

// replayBatch is how many letters are written at once.
const replayBatch = 500

// Replay sends the dead letters in dir that sink refused once to it again,
// under their positions, and removes those it stores. It may run beside a
// Shipper that writes new ones. After an error, or a crash, what was not
// delivered is still there; what was delivered and is still there, the sink
// recognises.
func Replay(ctx context.Context, dir string, sink Sink) (Replayed, error) {
	var total Replayed
	files, err := takeLetters(dir)
	if err != nil {
		return total, fmt.Errorf("replay dead letters: %w", err)
	}
	for _, f := range files {
		r, err := replayFile(ctx, dir, f, sink)
		total.Delivered += r.Delivered
		total.Refused += r.Refused
		total.Other += r.Other
		if err != nil {
			return total, fmt.Errorf("replay dead letters: %w", err)
		}
	}
	return total, nil
}

// takeLetters renames the files of letters, so that writers begin new ones,
// and returns them with those an earlier replay did not finish.
func takeLetters(dir string) ([]string, error) {
	files, err := letterFiles(dir, letterSuffix)
	if err != nil {
		return nil, err
	}
	if len(files) > 0 {
		unlock, err := lockLetters(dir)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	for _, f := range files {
		to := f + replaySuffix
		for n := 2; exists(to); n++ {
			to = f + "." + strconv.Itoa(n) + replaySuffix
		}
		if err := os.Rename(f, to); err != nil {
			return nil, err
		}
	}
	return letterFiles(dir, replaySuffix)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// replayFile sends the letters of one taken file and puts those that stay back
// into the file they came from.
func replayFile(ctx context.Context, dir, path string, sink Sink) (r Replayed, err error) {
	var mine, stay []DeadLetter
	faults, err := readLetterFile(path, func(l DeadLetter) error {
		if l.Sink == sink.Name() {
			mine = append(mine, l)
		} else {
			stay = append(stay, l)
			r.Other++
		}
		return nil
	})
	if err = errors.Join(append(faults, err)...); err != nil {
		return r, err // the file stays as it is
	}
	var failed error
	for len(mine) > 0 {
		n := min(len(mine), replayBatch)
		refused, err := sendLetters(ctx, sink, mine[:n])
		if err != nil {
			failed = err
			break
		}
		stay = append(stay, refused...)
		r.Refused += len(refused)
		r.Delivered += n - len(refused)
		mine = mine[n:]
	}
	if err := putBack(dir, path, append(stay, mine...)); err != nil {
		return r, errors.Join(failed, err)
	}
	return r, failed
}

// putBack appends letters to their file and removes the taken one. A crash in
// between leaves them twice, which their positions make harmless.
func putBack(dir, taken string, letters []DeadLetter) error {
	if len(letters) > 0 {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		for _, l := range letters {
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
		base := filepath.Base(taken)
		name := base[:strings.Index(base, letterSuffix)] + letterSuffix
		if err := appendFile(dir, name, buf.Bytes()); err != nil {
			return err
		}
	}
	if err := os.Remove(taken); err != nil {
		return err
	}
	return syncDir(dir)
}

// sendLetters writes letters and returns those refused again, with the new
// reason.
func sendLetters(ctx context.Context, sink Sink, letters []DeadLetter) (refused []DeadLetter, err error) {
	parser := parse.New()
	byBatch := make(map[string]*letterBatch)
	var order []*letterBatch
	for _, l := range letters {
		id, pos, ok := splitPosition(l.Position)
		e, err := DecodeEnvelope(l.Envelope)
		if !ok || err != nil {
			l.Reason = "cannot be decoded: " + reasonOf(err)
			refused = append(refused, l)
			continue
		}
		b := byBatch[id]
		if b == nil {
			b = &letterBatch{out: Batch{SpoolID: id, From: pos, To: pos + 1, Replayed: true}}
			byBatch[id] = b
			order = append(order, b)
		}
		b.out.From, b.out.To = min(b.out.From, pos), max(b.out.To, pos+1)
		b.letters = append(b.letters, l)
		b.out.Records = append(b.out.Records, record.Record{})
		toRecord(parser, &e, l.Position, &b.out.Records[len(b.out.Records)-1])
	}
	for _, b := range order {
		again, err := sink.Write(ctx, &b.out)
		if err != nil {
			return nil, err
		}
		for _, r := range again {
			l := b.letters[r.Index]
			l.Reason = r.Reason
			refused = append(refused, l)
		}
	}
	return refused, nil
}

type letterBatch struct {
	out     Batch
	letters []DeadLetter
}

func reasonOf(err error) string {
	if err == nil {
		return "its position is malformed"
	}
	return err.Error()
}

// splitPosition is the inverse of spool.Position.
func splitPosition(s string) (id string, p uint64, ok bool) {
	id, digits, ok := strings.Cut(s, "-")
	if !ok || len(digits) != 16 {
		return "", 0, false
	}
	p, err := strconv.ParseUint(digits, 16, 64)
	return id, p, err == nil
}
