//go:build race

package testkit

// Race reports whether the race detector is on. It allocates, makes sync.Pool drop random elements,
// and makes programs about ten times slower.
const Race = true
