package parse

import (
	"encoding/binary"
	"time"
)

// day is the date that was read last: nearly all lines of an hour have one. The
// zero value is no date, and no text is like it.
type day struct {
	head uint64 // "2031-05-"
	tail uint16 // "06"
	usec int64  // since 1970, at its midnight
}

// learn takes the date of a time in ISO form that was read the general way.
func (d *day) learn(s string) {
	var text [10]byte
	if copy(text[:], s) < len(text) || text[4] != '-' || text[7] != '-' {
		return
	}
	year, ok1 := num(s[0:4])
	month, ok2 := num(s[5:7])
	of, ok3 := num(s[8:10])
	if ok1 && ok2 && ok3 && validDate(year, month, of) {
		*d = day{binary.LittleEndian.Uint64(text[:]), binary.LittleEndian.Uint16(text[8:]), days(year, month, of) * 86400e6}
	}
}

// Lengths of the two forms that time reads, quotes included.
const (
	secondsLen = len(`"2031-05-06T07:08:09Z"`)
	microsLen  = len(`"2031-05-06T07:08:09.123456Z"`)
)

// time reads a quoted time of this day, with six digits of a fraction or none,
// in UTC, and returns how long its text is; 0 when it is not so written.
func (d *day) time(b []byte) (usec int64, n int) {
	if len(b) < secondsLen || b[0] != '"' {
		return 0, 0
	}
	clock, ok := clockWord(binary.LittleEndian.Uint64(b[12:]))
	if !ok || binary.LittleEndian.Uint64(b[1:]) != d.head || binary.LittleEndian.Uint16(b[9:]) != d.tail || b[11] != 'T' {
		return 0, 0
	}
	usec = d.usec + clock*1e6
	if b[20] == 'Z' && b[21] == '"' {
		return usec, secondsLen
	}
	if len(b) < microsLen || b[20] != '.' || b[27] != 'Z' || b[28] != '"' {
		return 0, 0
	}
	micros := int64(0)
	for _, c := range b[21:27] {
		if !isDigit(c) {
			return 0, 0
		}
		micros = micros*10 + int64(c-'0')
	}
	return usec + micros, microsLen
}

// clockWord is clockTime for eight bytes in a word.
func clockWord(w uint64) (seconds int64, ok bool) {
	x := w ^ 0x30303a30303a3030 // "00:00:00": digits are now their values, colons 0
	if (x|(x+0x76767f76767f7676))&highs != 0 {
		return 0, false
	}
	at := func(i int) int64 { return int64(x >> (8 * i) & 15) }
	h, m, s := at(0)*10+at(1), at(3)*10+at(4), at(6)*10+at(7)
	return h*3600 + m*60 + s, h < 24 && m < 60 && s <= 60
}

func fromMicro(usec int64) time.Time { return time.UnixMicro(usec).UTC() }
