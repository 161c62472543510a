package host

import (
	"os"
	"strings"
)

// Clock names the clock of this machine: processes with the same name, which is not "", read the
// same one. It is the identity of the running kernel.
func Clock() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
