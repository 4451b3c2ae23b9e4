package parse

import "hash/maphash"

// maxKeys bounds the unknown keys of one line.
const maxKeys = 1024

// object reads the JSON object at i, which must be the rest of the line.
func (p *Parser) object(i int) {
	s, b := &p.scan, p.line
	i = s.space(i + 1)
	if i < len(b) && b[i] == '}' {
		p.end(i + 1)
		return
	}
	for n := 0; p.fatal == ""; n++ {
		var read bool
		if i, n, read = p.asLast(i, n); !read {
			i = p.pair(i, n)
		}
		switch {
		case p.fatal != "":
		case i+1 < len(b) && b[i] == ',' && b[i+1] == '"':
			i++
		default:
			if i = s.space(i); i < len(b) && b[i] == ',' {
				i = s.space(i + 1)
				continue
			}
			if i < len(b) && b[i] == '}' {
				p.end(i + 1)
				return
			}
			s.fail(i)
			p.fatal = s.fault
		}
	}
}

// pair reads the n-th key and its value at i and returns what follows.
func (p *Parser) pair(i, n int) int {
	s, b := &p.scan, p.line
	var (
		name value
		key  int16
		hash uint64
		v    value
	)
	if sh := p.expected(i, n); sh != nil {
		name = value{kind: text, from: i + 1, end: i + len(sh.literal) - 2}
		key, hash = sh.key, sh.hash
		if i += len(sh.literal); i < len(b) && b[i] <= ' ' {
			i = s.space(i)
		}
	} else {
		if name, i = s.key(i); name.kind == invalid {
			p.fatal = s.fault
			return i
		}
		key, hash = p.lookUp(name)
		p.learn(n, name, key, hash)
	}
	if i < len(b) && b[i] == '"' {
		v, i = s.text(i + 1)
	} else {
		v, i = s.value(i, 1)
	}
	if v.kind == invalid {
		p.fatal = s.fault
		return i
	}
	p.member(name, key, hash, v)
	return i
}

// end checks that nothing follows the object, and applies what waited for it.
func (p *Parser) end(i int) {
	if p.scan.space(i) != len(p.line) {
		p.fatal = ProblemBroken
		return
	}
	p.applyPending()
}

// lookUp finds the meaning of a key, whichever way it is spelled in JSON.
func (p *Parser) lookUp(name value) (key int16, hash uint64) {
	b := p.line[name.from:name.end]
	if name.escaped {
		p.nameRoom, _ = unescape(p.nameRoom[:0], b)
		b = p.nameRoom
	}
	if k, ok := keyOf[string(b)]; ok {
		return k, 0
	}
	return -1, maphash.Bytes(p.seed, b)
}

// member takes in one key and value of the object.
func (p *Parser) member(name value, key int16, hash uint64, v value) {
	if key < 0 {
		p.unknown(name, hash, v)
		return
	}
	if p.seen.add(key) {
		p.fatal = ProblemDuplicateKey
		return
	}
	t := &targets[key]
	if t.plain && v.kind == text && !v.escaped && !v.high {
		*p.rec.Str(t.field) = unset(p.src[v.from:v.end]) // most fields of our own format
		return
	}
	if t.rank > 0 {
		p.alias = true
		p.pending = append(p.pending, pending{key: key, v: v, name: name, holder: -1})
		return
	}
	if !p.apply(t, v) {
		p.noteMisfit(t)
		p.toExtra(name, v)
		return
	}
	if key == firstHop {
		p.ours = p.rec.FirstHop
	}
}

func (p *Parser) unknown(name value, hash uint64, v value) {
	for _, h := range p.strange {
		if h == hash {
			p.fatal = ProblemDuplicateKey
			return
		}
	}
	if len(p.strange) == maxKeys {
		p.fatal = ProblemTooManyKeys
		return
	}
	p.strange = append(p.strange, hash)
	p.toExtra(name, v)
}

// applyPending applies the aliases, the best of each field first. What was not
// needed, or not understood, goes to extra.
func (p *Parser) applyPending() {
	if len(p.pending) == 0 {
		return
	}
	for i := 0; i < len(p.pending) && p.fatal == ""; i++ { // grows while it runs
		if how := targets[p.pending[i].key].how; how == asNested || how == asEvent {
			p.open(i)
		}
	}
	for rank := uint8(0); rank <= 3 && p.fatal == ""; rank++ {
		for i := range p.pending {
			if q := &p.pending[i]; targets[q.key].rank == rank && targets[q.key].how < asNested {
				p.applyAlias(q)
			}
		}
	}
	p.applyOffset()
	for i := range p.pending {
		if q := &p.pending[i]; q.toExtras && q.holder < 0 {
			p.toExtra(q.name, q.v)
		}
	}
}

func (p *Parser) applyAlias(q *pending) {
	t := &targets[q.key]
	if p.fatal != "" {
		return
	}
	if t.how != asOffset && p.rec.Has(t.field) && p.present(q.v) {
		p.spare(q)
		return
	}
	if !p.apply(t, q.v) {
		p.noteMisfit(t)
		p.spare(q)
	}
	if t.how == asServer {
		p.spare(q) // it names the machine, too
	}
}

// noteMisfit notes a value that its field cannot hold, unless the key is one
// that has other meanings elsewhere.
func (p *Parser) noteMisfit(t *meaning) {
	switch {
	case t.how == asTime:
		p.noteOnce(ProblemTime)
	case t.rank == 0 || (t.how != asCountry && t.how != asRole):
		p.noteOnce(ProblemValue)
	}
}

// spare sends a value to extra, or the whole object that holds it.
func (p *Parser) spare(q *pending) {
	for q.holder >= 0 {
		q = &p.pending[q.holder]
	}
	q.toExtras = true
}

// open adds the members of the object at index i to those pending. The object
// was scanned before, so it is known to be valid.
func (p *Parser) open(i int) {
	q := p.pending[i]
	if q.v.kind != object {
		p.spare(&p.pending[i])
		return
	}
	prefix := ""
	if targets[q.key].how == asNested {
		prefix = targets[q.key].name + "."
	}
	s := &p.scan
	outer := p.seen
	for j := s.space(q.v.from + 1); p.line[j] != '}' && p.fatal == ""; j = s.space(j) {
		if p.line[j] == ',' {
			j = s.space(j + 1)
		}
		var name, v value
		name, j = s.key(j)
		v, j = s.value(j, 0)
		p.inner(prefix, i, &outer, name, v)
	}
}

func (p *Parser) inner(prefix string, holder int, outer *keySet, name, v value) {
	p.nameRoom, _ = unescape(append(p.nameRoom[:0], prefix...), p.line[name.from:name.end])
	key, ok := keyOf[string(p.nameRoom)]
	if !ok || outer.has(key) { // the same key outside: that one counts
		p.spare(&p.pending[holder])
		return
	}
	if p.seen.add(key) {
		p.fatal = ProblemDuplicateKey
		return
	}
	p.pending = append(p.pending, pending{key: key, v: v, name: name, holder: holder})
}

// toExtra adds a key and its value as they stand in the line.
func (p *Parser) toExtra(name, v value) {
	p.extra = append(p.extra, ',')
	p.extra = p.piece(p.extra, name)
	p.extra = append(p.extra, ':')
	p.extra = p.piece(p.extra, v)
}

func (p *Parser) piece(dst []byte, v value) []byte {
	from, end := v.raw()
	b := p.line[from:end]
	if !v.escaped && !v.high {
		return append(dst, b...)
	}
	n := len(dst) + len(b)
	dst = verbatim(dst, b)
	if v.high && len(dst) != n {
		p.noteOnce(ProblemUTF8)
	}
	return dst
}
