//go:build !amd64

package redact

const hasVectors = false

func (r *Redactor) classify([]byte) bool { panic("redact: bug: there are no vectors") }

func pairAVX2(p, q *byte, n int, a, b byte) int { panic("redact: bug: there are no vectors") }
