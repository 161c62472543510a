package verify

import "github.com/lanecast/lanecast/verify/internal/curve"

// Vectors reports whether BLS verification uses the vector code for processors with AVX-512 IFMA in this process.
func Vectors() bool { return curve.Vectors() }
