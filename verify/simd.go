package verify

import "github.com/lanecast/lanecast/verify/internal/curve"

// SIMD reports whether BLS verification in this process uses the SIMD code for processors with
// AVX-512 IFMA.
func SIMD() bool { return curve.SIMD() }
