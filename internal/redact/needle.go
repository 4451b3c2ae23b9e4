package redact

import (
	"bytes"
	"strings"
)

// pairStep is how many places pairAVX2 looks at in one step.
const pairStep = 32

// needle is a text to look for, by way of the two bytes in it that log lines
// hold least of.
type needle struct {
	text       []byte
	rare, next int // their places in text, the rarest first
}

// common are the bytes of log lines, the most frequent first.
const common = `e"/t,_:ao.sir1n0 -2cl5d3p8m4h6u97bgyTfwvkMACSPEOLIRDNHG;()x=&%KWUBFVX+\\`

func newNeedle(text []byte) needle {
	n, best, second := needle{text: text}, -1, -1
	for i, c := range text {
		rank := strings.IndexByte(common, c)
		if rank < 0 {
			rank = len(common)
		}
		switch {
		case rank > best:
			n.rare, best, n.next, second = i, rank, n.rare, best
		case rank > second:
			n.next, second = i, rank
		}
	}
	return n
}

// index returns where the needle stands at or after from, or -1; with vectors it looks at 32 places at a time.
func (n *needle) index(line []byte, from int, vectors bool) int {
	if vectors {
		for last := len(line) - len(n.text); last+1-from >= pairStep; from++ {
			k := pairAVX2(&line[from+n.rare], &line[from+n.next], last+1-from, n.text[n.rare], n.text[n.next])
			if k < 0 {
				return -1
			}
			if from += k; bytes.HasPrefix(line[from:], n.text) {
				return from
			}
		}
	}
	for i := from + n.rare; i < len(line); i++ {
		k := bytes.IndexByte(line[i:], n.text[n.rare])
		if k < 0 {
			return -1
		}
		i += k
		if start := i - n.rare; bytes.HasPrefix(line[start:], n.text) {
			return start
		}
	}
	return -1
}
