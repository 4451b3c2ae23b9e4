package redact

// minTrack is how many digits follow the separator of track data at least:
// expiry (YYMM) and service code (ISO/IEC 7813).
const minTrack = 7

// maxTrack bounds what follows the name on track 1, which holds 79 characters
// in all.
const maxTrack = 79

// track2 returns how many bytes after the card number are track 2 data: a
// separator ("=", or "D" as chip cards write it) and at least seven digits; 0
// when it is none.
func (r *Redactor) track2(line []byte, card []digit) int {
	last := card[len(card)-1]
	from := int(last.at) + int(last.width)
	if from >= len(line) {
		return 0
	}
	u := unitAt(line, from)
	if u.char != '=' && u.char|0x20 != 'd' {
		return 0
	}
	i, n := from+u.width, 0
	for i < len(line) {
		u = unitAt(line, i)
		if u.kind != number && u.char != 'x' {
			break
		}
		i += u.width
		n++
	}
	if n < minTrack {
		return 0
	}
	return i - from
}

// maskTrack2 masks the digits of track 2 after a card number.
func (r *Redactor) maskTrack2(line []byte, card []digit) (changed bool) {
	last := card[len(card)-1]
	i := int(last.at) + int(last.width)
	for end := i + r.track2(line, card); i < end; {
		u := unitAt(line, i)
		if u.kind == number {
			d := digit{at: int32(i), width: uint8(min(u.width, 255))}
			changed = d.overwrite(line, 'x') || changed
		}
		i += u.width
	}
	return changed
}

// maskTrack1 masks track 1 data around its first separator at i, which is
// width bytes wide: B, 12 to 19 digits, ^, a name, ^, expiry, service code and
// more up to "?". The form says what it is, so no check digit is asked for. In
// an eager pass what follows the first separator need not have that form.
func (r *Redactor) maskTrack1(line []byte, i, width int) (changed bool) {
	from := i
	for from > 0 && i-from < maxDigits && (isDigit(line[from-1]) || line[from-1] == 'x') {
		from--
	}
	if i-from < 12 || from == 0 || line[from-1]|0x20 != 'b' {
		return false
	}
	name := i + width
	second := untilCaret(line, name)
	data := name
	switch {
	case second >= 0:
		data = second + unitAt(line, second).width
	case r.eager:
		second = name // there is no name
	default:
		return false
	}
	end, n := data, 0
	for units := 0; end < len(line) && units < maxTrack; units++ {
		u := unitAt(line, end)
		if u.char == '?' || u.char == '"' || u.char == '\\' || u.char == '&' || u.char < ' ' {
			break
		}
		if u.kind == number || u.char == 'x' {
			n++
		}
		end += u.width
	}
	if n < minTrack && !r.eager {
		return false
	}
	for j := from + 6; j < i-4; j++ {
		changed = changed || line[j] != 'x'
		line[j] = 'x'
	}
	changed = blank(line, name, second) || changed
	return blank(line, data, end) || changed
}

// untilCaret returns where the next ^ stands, however encoded, or -1 when no
// name of a card holder (2 to 26 characters) is before it.
func untilCaret(line []byte, i int) int {
	for n := 0; i < len(line) && n <= 26; n++ {
		u := unitAt(line, i)
		if u.char == '^' && n >= 2 {
			return i
		}
		if u.char == '^' || u.char == '"' || u.char == '\\' {
			return -1
		}
		i += u.width
	}
	return -1
}

// blank overwrites line[from:end], which are whole characters, so that no escape
// is torn.
func blank(line []byte, from, end int) (changed bool) {
	end = min(end, len(line))
	for i := from; i < end; i++ {
		changed = changed || line[i] != 'x'
		line[i] = 'x'
	}
	return changed
}
