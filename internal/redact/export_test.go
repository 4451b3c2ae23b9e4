package redact

// SecretKeyNames are the keys whose values are masked, as they are written down.
func SecretKeyNames() (names []string) {
	for _, k := range secretKeys {
		names = append(names, k.name)
	}
	return names
}

// WithoutVectors makes r read lines as a machine without vectors does.
func (r *Redactor) WithoutVectors() *Redactor { r.vectors = false; return r }

// LineSlowly is Line without its short cuts: it looks closely at each separator
// and at each run of characters that may be in a card number.
func (r *Redactor) LineSlowly(line []byte) Counts {
	var sum Counts
	for n := 1; ; n++ {
		r.eager, r.within = eagerPass(n), 0
		var c Counts
		if len(line) > 0 && r.cutShort(line) {
			c.Cards += count(r.tail(line))
		}
		r.rewind()
		for _, s := range r.secrets {
			for i := range line {
				if len(line)-i >= len(s.text) && string(line[i:i+len(s.text)]) == string(s.text) {
					c.Secrets += r.maskSecret(line, s)
					break
				}
			}
		}
		for i := range line {
			c.Secrets += r.separator(line, i)
		}
		for i := range line {
			if line[i] == '%' {
				r.user = userinfo{}
				c.Secrets += r.percent(line, i)
			}
		}
		for i := range line {
			if line[i] == '^' {
				c.Secrets += count(r.maskTrack1(line, i, 1))
			}
		}
		for i := range line {
			if line[i] == '@' {
				r.user = userinfo{}
				c.Secrets += count(r.maskUserinfo(line, i))
			}
		}
		r.rewind()
		for i := 0; i < len(line); i++ {
			end := i
			for end < len(line) && inCard[line[end]] {
				end++
			}
			if end > i {
				r.run(line, i, end, &c)
				i = end
			}
		}
		if c == (Counts{}) && !r.eager {
			return sum
		}
		sum.Cards += c.Cards
		sum.Secrets += c.Secrets
	}
}

// Passes is how often Line reads the line.
func (r *Redactor) Passes(line []byte) int {
	for n := 1; ; n++ {
		r.eager = eagerPass(n)
		if c := r.pass(line); c == (Counts{}) && !r.eager {
			return n
		}
	}
}
