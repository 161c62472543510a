package curve

import (
	"os"
	"strings"
)

// The environment variable that turns SIMD off, and its allowed values.
const (
	SettingName = "LANECAST_IFMA"
	SettingWant = "on, 1, true or empty, or off, 0 or false"
)

// setting is the value when the program started.
var setting = os.Getenv(SettingName)

// Setting returns the value of the environment variable when the program started, and whether the
// value is allowed. With a value that is not allowed SIMD is on, as without a value.
func Setting() (value string, valid bool) {
	_, valid = parseSetting(setting)
	return setting, valid
}

// parseSetting returns whether a value allows SIMD.
func parseSetting(value string) (on, valid bool) {
	switch strings.ToLower(value) {
	case "", "on", "1", "true":
		return true, true
	case "off", "0", "false":
		return false, true
	}
	return true, false
}
