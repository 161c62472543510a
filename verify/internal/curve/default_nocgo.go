//go:build !cgo

package curve

// Default returns the back end of this build: gnark-crypto, since cgo is off.
func Default() Backend { return gnarkBackend }
