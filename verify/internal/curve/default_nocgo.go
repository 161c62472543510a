//go:build !cgo

package curve

// Default returns the back end of this build: gnark-crypto, since cgo is off.
func Default() *Backend { return gnarkBackend }

// SIMD reports whether Default processes several points at a time. Without cgo it does not.
func SIMD() bool { return false }
