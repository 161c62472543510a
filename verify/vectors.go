package verify

import "github.com/lanecast/lanecast/verify/internal/curve"

// SIMD reports whether BLS verification uses the vector code for processors with AVX-512 IFMA in this process.
func SIMD() bool { return curve.Vectors() }
