// Package kv has the common parts of two examples, which any chain has in its own form: its state
// on disk, its commands, and an interface for clients.
package kv

import (
	"encoding/binary"
	"unicode/utf8"
)

// Pair is a command that sets the value of a key.
type Pair struct{ Key, Value string }

// MaxPair is the length of the longest pair, encoded, and MaxPairs that of all pairs of a body.
const (
	MaxPair  = 64 << 10
	MaxPairs = 256 << 10
)

// AppendTo appends the encoding of the pair: each string follows its length.
func (p Pair) AppendTo(b []byte) []byte {
	for _, s := range []string{p.Key, p.Value} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

// ReadPairs decodes the pairs of a body. All processes must decide equally about every body, so ok
// reports whether its bytes are exactly those that AppendTo makes from allowed pairs.
func ReadPairs(body []byte) (pairs []Pair, ok bool) {
	if len(body) > MaxPairs {
		return nil, false
	}
	for rest := body; len(rest) > 0; {
		var read [2]string
		before := len(rest)
		for i := range read {
			length, n := binary.Uvarint(rest)
			if n <= 0 || length > uint64(len(rest)-n) {
				return nil, false
			}
			read[i], rest = string(rest[n:n+int(length)]), rest[n+int(length):]
		}
		p := Pair{Key: read[0], Value: read[1]}
		if !p.Allowed() || len(p.AppendTo(nil)) != before-len(rest) {
			return nil, false
		}
		pairs = append(pairs, p)
	}
	return pairs, true
}

// Allowed reports whether a pair may be put. The state is kept as JSON, which holds only UTF-8.
func (p Pair) Allowed() bool {
	return p.Key != "" && len(p.AppendTo(nil)) <= MaxPair && utf8.ValidString(p.Key) && utf8.ValidString(p.Value)
}
