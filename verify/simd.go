package verify

import (
	"fmt"

	"github.com/lanecast/lanecast/verify/internal/curve"
)

// SIMD reports whether BLS verification in this process uses the SIMD code for processors with
// AVX-512 IFMA.
func SIMD() bool { return curve.SIMD() }

// EnvironmentError names an environment variable with an unknown value. It wraps [ErrConfig].
type EnvironmentError struct {
	Variable string
	Want     string // the allowed values
	Got      string
}

func (e *EnvironmentError) Error() string {
	return fmt.Sprintf("verify: %v: the environment variable %s must be %s; it is %q", ErrConfig, e.Variable, e.Want, e.Got)
}

// Unwrap returns ErrConfig.
func (e *EnvironmentError) Unwrap() error { return ErrConfig }

// CheckEnvironment returns an [*EnvironmentError] if LANECAST_IFMA in the environment, when the
// program started, was neither on (on, 1, true or empty) nor off (off, 0 or false). The
// constructors of BLS schemes and engine.New call it.
func CheckEnvironment() error {
	if value, valid := curve.Setting(); !valid {
		return &EnvironmentError{curve.SettingName, curve.SettingWant, value}
	}
	return nil
}
