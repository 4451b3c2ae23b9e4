package redact

// secretKey is a key whose value is masked, in lower case with "_" for "-".
type secretKey struct {
	name  string
	whole bool // must be a word of its own: "pin" is in "shipping"
}

// ending are the letters among the last bytes of a secret key, as a word of which they are the highest.
type ending struct {
	secretKey
	letters, mask uint64
}

func (s secretKey) ending() ending {
	e := ending{secretKey: s}
	for i, shift := len(s.name)-1, 56; i >= 0 && shift >= 0; i, shift = i-1, shift-8 {
		if c := s.name[i]; c != '_' {
			e.letters |= uint64(c) << shift
			e.mask |= 0xff << shift
		}
	}
	return e
}

// secretKeys are the keys of sensitive authentication data (PCI DSS 3.3.1) and
// of credentials. A key counts with any prefix that keeps it a word of its own
// (card_pin, cardPin, user[password]), with up to two digits after it (cvv2),
// and without regard to case.
var secretKeys = []secretKey{
	{"cvv", false}, {"cvc", false}, {"csc", true}, {"cvn", true}, {"cav", true},
	{"cvv_code", false}, {"cvvcode", false}, {"cvc_code", false}, {"cvccode", false},
	{"security_code", false}, {"securitycode", false},
	{"card_code", false}, {"cardcode", false},
	{"pin", true}, {"pin_block", false}, {"pinblock", false},
	{"track_data", false}, {"trackdata", false}, {"magstripe", false},
	{"password", false}, {"passwd", false}, {"passphrase", false}, {"pass", true}, {"pwd", true},
	{"password_confirmation", false}, {"passwordconfirmation", false},
	{"authorization", false},
	{"secret", true}, {"access_token", false}, {"accesstoken", false},
	{"refresh_token", false}, {"refreshtoken", false}, {"api_key", false}, {"apikey", false},
}

// key is what was found before a "=" or ":".
type key struct {
	quotes  int  // backslashes before its closing quote; -1 when it is not quoted
	encoded bool // its quotes are %22
	level   int  // how often its separator is percent-encoded more than once: 1 for %253D
	auth    bool // it is authorization
	nested  bool // its value is an encoded object or array
}

// keyBefore reports whether a secret key ends right before i.
func keyBefore(line []byte, i int) (key, bool) {
	k := key{quotes: -1}
	switch {
	case i == 0:
		return k, false
	case line[i-1] == '"':
		k.quotes = 0
		for i--; i > 0 && line[i-1] == '\\'; i-- {
			k.quotes++
		}
	case line[i-1] == '2' && encodedAt(line, i, '"') > 0:
		k.encoded = true
		i = encodedAt(line, i, '"')
	case line[i-1] == '\'' || line[i-1] == ']' || line[i-1] == ' ':
		return keyBeforeMark(line, i, k)
	case line[i-1]|0x20 == 'd' && encodedAt(line, i, ']') > 0:
		i = encodedAt(line, i, ']')
	}
	return k, k.word(line, i)
}

// encodedAt returns where the percent-encoded c that ends at i begins, however
// often it was encoded, or 0.
func encodedAt(line []byte, i int, c byte) int {
	if i < 3 {
		return 0
	}
	if got, ok := hex2(line[i-2], line[i-1]); !ok || got != c {
		return 0
	}
	for i -= 2; i > 2 && line[i-2] == '2' && line[i-1] == '5'; {
		i -= 2
	}
	if line[i-1] != '%' {
		return 0
	}
	return i - 1
}

// keyBeforeMark is keyBefore for what may stand between a key and its "=": the
// bracket of user[password], a single quote, the space of "key" : "value".
func keyBeforeMark(line []byte, i int, k key) (key, bool) {
	for i > 0 && line[i-1] == ' ' {
		i--
	}
	if i > 0 && line[i-1] == '"' {
		k.quotes = 0
		for i--; i > 0 && line[i-1] == '\\'; i-- {
			k.quotes++
		}
	} else if i > 0 && (line[i-1] == ']' || line[i-1] == '\'') {
		i--
	}
	return k, k.word(line, i)
}

// word reports whether one of secretKeys ends at i.
func (k *key) word(line []byte, i int) bool {
	for n := 0; n < 2 && i > 0 && isDigit(line[i-1]); n++ {
		i--
	}
	if i < 3 {
		return false
	}
	w := lastBytes(line[:i]) | ' '*lows // a letter is now small; what else changes is told below
	for _, s := range buckets[bucketOf[hashOf(w)]] {
		if (w^s.letters)&s.mask != 0 {
			continue
		}
		if from := i - len(s.name); from >= 0 && equalFold(line[from:i], s.name) && (!s.whole || wordStart(line, from)) {
			k.auth = s.name == "authorization"
			return true
		}
	}
	return false
}

// equalFold compares without regard to case, and with "-" for "_".
func equalFold(b []byte, name string) bool {
	for i, c := range b {
		if c == '-' {
			c = '_'
		} else if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// wordStart reports whether a word begins at i: after what is no letter or
// digit, after an escape, or at a capital behind a small letter.
func wordStart(line []byte, i int) bool {
	if i == 0 || !touches(line, i) {
		return true
	}
	if line[i] >= 'A' && line[i] <= 'Z' && line[i-1] >= 'a' && line[i-1] <= 'z' {
		return true
	}
	from := synchronise(line, i)
	if from == i {
		return false
	}
	for from < i {
		u := unitAt(line, from)
		from += u.width
		if from == i {
			return u.kind == other || u.kind == gap
		}
	}
	return false
}
