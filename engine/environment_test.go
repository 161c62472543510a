package engine_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/lanecast/lanecast/engine"
)

// The variable is read when a program starts, so the test needs another process.
func TestASettingOfTheEnvironmentThatSaysNothingIsRefused(t *testing.T) {
	const child = "ENGINE_TEST_ENVIRONMENT"
	if os.Getenv(child) != "" {
		_, err := engine.New(soundConfig(t))
		var wrong *engine.ConfigError
		if !errors.As(err, &wrong) || wrong.Field != "LANECAST_IFMA" || wrong.Got != "no" || wrong.Want == "" {
			t.Errorf("New returned %v", err)
		}
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), child+"=1", "LANECAST_IFMA=no")
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}
