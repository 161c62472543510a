// Package shrink gives back memory that a burst has taken. Go's maps and slices keep the room for
// the most that they ever held.
package shrink

import "maps"

// Peak remembers how large a map was when it was largest. The zero value is for an empty map.
type Peak int

// small is the size of maps that are left alone.
const small = 1024

// Map returns a map that holds what m holds: m itself, or a new one if m was made for more than
// four times as much. It is called after each deletion, and costs no more than the insertions did.
func Map[M ~map[K]V, K comparable, V any](m M, peak *Peak) M {
	*peak = max(*peak, Peak(len(m)+1)) // before the deletion
	if *peak <= small || len(m) > int(*peak)/4 {
		return m
	}
	smaller := make(M, len(m))
	maps.Copy(smaller, m)
	*peak = Peak(len(m))
	return smaller
}

// Slice empties a slice that is used again. Its memory is kept if it is room for at most elements,
// and then holds no pointers any more.
func Slice[S ~[]E, E any](s S, most int) S {
	if cap(s) > most {
		return nil
	}
	clear(s)
	return s[:0]
}
