//go:build cgo

package verify

// BackendName is the curve arithmetic that this program was built with.
const BackendName = "blst"
