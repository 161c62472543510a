//go:build race

package testkit

// Race reports whether the race detector is on. It allocates, makes sync.Pool drop what it is given
// at random, and makes programs some ten times slower.
const Race = true
