package main

import "math/rand/v2"

// span is minutes [from, to).
type span struct{ from, to int }

func (s span) has(n int) bool { return n >= s.from && n < s.to }

const (
	period  = 5   // minutes between two runs
	dayEnds = 105 // minutes of the game
)

// timetable is when things go wrong, in minutes. What varies by seed varies within bounds that keep the acts apart, so that
// each seed plays all of them.
type timetable struct {
	gap      span // lines of one POP are lost on their way
	dead     span // ingest is dead: what is sent then is lost
	sale     span // the flash sale
	late     span // lines are held back …
	firstOf  int  // … and of those the ones before this minute arrive first, at the end of the span; the others a run later
	forged   span // strangers write lines
	attacks  span // in which attackers begin
	ring     span // in which the ring begins
	gapShare int  // of a hundred lines of that POP
}

func newTimetable(rng *rand.Rand) timetable {
	dead := 41 + rng.IntN(3) // the run at 45 still sees rows; those at 55 and 60 must not trust what they see
	sale := 64 + rng.IntN(4)
	return timetable{
		gap: span{5, 10}, gapShare: between(rng, 30, 70),
		forged:  span{12, 29},
		attacks: span{10, 20},
		// Without a week of earlier days the blocker knows a distributed attack by its beginning alone: the older half of a window
		// has to be from before it, and from before most of the other password guessers.
		ring: span{12, 13},
		dead: span{dead, dead + 18 + rng.IntN(2)},
		sale: span{sale, sale + between(rng, 8, 12)},
		late: span{80, 95}, firstOf: 84,
	}
}
