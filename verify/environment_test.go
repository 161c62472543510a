package verify_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
)

// The variable is read when a program starts, so each value is tested in a process of its own.
func TestAnUnknownSettingInTheEnvironmentIsAnError(t *testing.T) {
	const child = "VERIFY_TEST_ENVIRONMENT"
	if os.Getenv(child) != "" {
		_, multisig := testkit.New(testkit.Multisig, verify.MinSig, verify.Compressed, 1, namespace, 1)
		_, threshold := testkit.New(testkit.Threshold, verify.MinPk, verify.Compressed, 1, namespace, 1)
		t.Log(verify.SIMD(), verify.CheckEnvironment(), multisig, threshold)
		var wrong *verify.EnvironmentError
		if err := verify.CheckEnvironment(); err != nil &&
			!(errors.As(err, &wrong) && errors.Is(err, verify.ErrConfig) && errors.Is(multisig, verify.ErrConfig) && errors.Is(threshold, verify.ErrConfig)) {
			t.Errorf("%v; %v; %v", err, multisig, threshold)
		}
		return
	}
	for value, want := range map[string]string{
		"false": "false <nil> <nil> <nil>",
		"on":    "<nil> <nil> <nil>",
		"no":    `LANECAST_IFMA must be on, 1, true or empty, or off, 0 or false; it is "no"`,
	} {
		command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		command.Env = append(os.Environ(), child+"=1", "LANECAST_IFMA="+value)
		output, err := command.CombinedOutput()
		if err != nil || !strings.Contains(string(output), want) {
			t.Errorf("%q: %v, %s", value, err, output)
		}
	}
}
