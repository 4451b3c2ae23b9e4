package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edgewarden/deploy"
)

// day is one long game in compressed time: event times are those of the game, and blocker is told the time. It plays with the
// starter rules as they are shipped, in mode enforce.
//
//	minute    5–10  lines of one POP are lost
//	         10–20  the attackers begin
//	         12–29  strangers forge lines: in a header, without the token, in a file that is imported
//	         41–60  ingest is dead; a block falls due
//	         64–79  the flash sale
//	         80–95  lines are held back and arrive late, with a new attacker in them
type day struct {
	*stage
	cast  *cast
	times timetable
	dice  *rand.Rand
	tally *tally
	held  map[bool][]byte // late lines: true holds those that arrive first
	lines map[bool]int
	forge []byte // lines of a file to import
}

// dayBegins is in the past, so that no row lies ahead of the machine's clock, and fixed, so that a seed is one game.
var dayBegins = time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)

func at(n int) time.Time { return dayBegins.Add(time.Duration(n) * time.Minute) }

// playDay plays one seed in an empty folder.
func playDay(ctx context.Context, dir string, seed uint64) (*tally, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	times := newTimetable(source(seed, "timetable"))
	d := &day{cast: newCast(seed, times), times: times, dice: source(seed, "day"), held: map[bool][]byte{}, lines: map[bool]int{}}
	d.tally = newTally(seed, d.cast)
	if err := d.open(ctx, dir); err != nil {
		return nil, err
	}
	for n := range dayEnds {
		if err := d.minute(ctx, n); err != nil {
			return nil, err
		}
		if (n+1)%period == 0 {
			if err := d.run(ctx, n+1); err != nil {
				return nil, err
			}
		}
	}
	return d.tally, d.finish()
}

func (d *day) open(ctx context.Context, dir string) (err error) {
	if d.stage, err = openStage(ctx, dir, fmt.Sprintf(`{"creationTime": "2024-05-06T00:00:00", "prefixes": [{"ipv4Prefix": %q}]}`, crawlerRange)); err != nil {
		return err
	}
	config := fmt.Sprintf("owner: gameday\nperiod: %dm\nlists_cache: %s\nallowlist:\n  - {address: %s, reason: our office}\ncrawlers:\n  - {name: demobot, agent: Demobot, ranges: %q}\n%s",
		period, filepath.Join(dir, "lists"), d.cast.ours, "http://"+d.edgeAddr+"/crawler.json", strings.ReplaceAll(deploy.Rules, "mode: shadow", "mode: enforce"))
	if err := d.configure(config); err != nil {
		return err
	}
	return d.receive(ctx)
}

// minute plays one minute of traffic.
func (d *day) minute(ctx context.Context, n int) error {
	if err := d.troubles(ctx, n); err != nil {
		return err
	}
	blocked := func(a netip.Addr) bool { return d.edge.Blocked(a, at(n)) }
	var all []request
	for _, a := range d.cast.actors {
		all = append(all, a.minute(n, at(n), blocked)...)
	}
	sortByTime(all)
	var now []byte
	count := 0
	for _, q := range all {
		refused := d.edge.Blocked(q.addr, q.at)
		d.tally.sent(q, refused)
		b, err := line(q, token, refused)
		if err != nil {
			return err
		}
		lines := 1
		if q.claims.IsValid() { // the service has a second endpoint in Fastly's default format
			b, lines = append(b, defaultLine(q, token)...), 2
		}
		d.tally.Sent += int64(lines)
		switch {
		case d.times.gap.has(n) && q.pop() == "FRA" && d.dice.IntN(100) < d.times.gapShare, d.times.dead.has(n):
			d.tally.Lost += int64(lines)
		case d.times.late.has(n):
			first := n < d.times.firstOf
			d.held[first], d.lines[first] = append(d.held[first], b...), d.lines[first]+lines
		default:
			now, count = append(now, b...), count+lines
		}
	}
	if count == 0 {
		return nil
	}
	d.tally.expected += int64(count)
	return d.send(now, count)
}

// troubles is what the timetable has for the beginning of minute n.
func (d *day) troubles(ctx context.Context, n int) error {
	switch {
	case n == d.times.dead.from: // nothing is under way: what ingest has is on its disk and in the lake
		if err := d.settled(ctx); err != nil {
			return err
		}
		_ = d.conn.Close()
		return d.ingest.kill()
	case n == d.times.dead.to:
		return d.receive(ctx)
	case n == d.times.late.to+period:
		return d.deliver(false)
	case d.times.forged.has(n):
		return d.strangers(ctx, n)
	case n == d.times.forged.to:
		file := filepath.Join(d.dir, "forged.log")
		if err := os.WriteFile(file, d.forge, 0o600); err != nil {
			return err
		}
		return d.importFile(ctx, file)
	}
	return nil
}

// deliver sends lines that were held back.
func (d *day) deliver(first bool) error {
	d.tally.expected += int64(d.lines[first])
	err := d.send(d.held[first], d.lines[first])
	delete(d.held, first)
	d.lines[first] = 0
	return err
}

// strangers writes lines in our format that no edge sent, about somebody who did nothing: once with a token that is not ours,
// and once into a file that a colleague will import.
func (d *day) strangers(ctx context.Context, n int) error {
	var wrong []byte
	for range 400 {
		q := request{addr: d.cast.victims[1], label: human, country: "ZZ", asn: 64530, device: device{"curl/8", ""}, at: within(d.dice, at(n)), id: newID(d.dice)}
		q.method, q.path, q.status = searchFlood(d.dice)
		b, err := line(q, "guessed-token", false)
		if err != nil {
			return err
		}
		wrong = append(wrong, b...)
		if b, err = line(q, "", false); err != nil {
			return err
		}
		d.forge = append(d.forge, b...)
		d.tally.expected++
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.ingest.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(wrong)
	return err
}

// finish stops ingest and settles the score.
func (d *day) finish() (err error) {
	_ = d.conn.Close()
	if err := d.ingest.stop(); err != nil {
		return fmt.Errorf("stopping ingest: %w\n%s", err, d.ingest.log())
	}
	if d.tally.Stored, err = d.stored(dayBegins.Add(-time.Hour), at(dayEnds).Add(time.Hour)); err != nil {
		return err
	}
	d.acts()
	d.tally.settle()
	return nil
}
