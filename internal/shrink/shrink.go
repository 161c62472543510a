// Package shrink releases memory after a burst. Go's maps and slices keep the room for the most
// elements that they ever held.
package shrink

import "maps"

// Peak is the largest size that a map has had. The zero value is for an empty map.
type Peak int

// small is the peak up to which maps are not replaced.
const small = 1024

// Map returns a map with the content of m: m itself, or a new one if m has had more than four times
// as many elements. It is called after each deletion; in total it costs no more than the
// insertions.
func Map[M ~map[K]V, K comparable, V any](m M, peak *Peak) M {
	*peak = max(*peak, Peak(len(m)+1)) // the size before the deletion
	if *peak <= small || len(m) > int(*peak)/4 {
		return m
	}
	smaller := make(M, len(m))
	maps.Copy(smaller, m)
	*peak = Peak(len(m))
	return smaller
}

// Slice empties a slice for reuse. It keeps the memory if that is room for at most most elements,
// and clears it so that it holds no pointers.
func Slice[S ~[]E, E any](s S, most int) S {
	if cap(s) > most {
		return nil
	}
	clear(s)
	return s[:0]
}
