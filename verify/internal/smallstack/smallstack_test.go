//go:build cgo && unix

package smallstack

import (
	"os"
	"os/exec"
	"testing"
)

func TestTheStackThatCUsesIsMeasured(t *testing.T) {
	const size, most = 64 << 10, 10 << 10 // most is the maximum of Go's own part
	for _, spent := range []int{1, 1 << 10, 20 << 10, 50 << 10} {
		calls := 0
		used, err := Run(size, func() {
			calls++
			Spend(spent)
		})
		if err != nil || calls != 1 {
			t.Fatal(err, calls)
		}
		if used < spent || used > spent+most {
			t.Errorf("%d bytes were spent, and %d counted", spent, used)
		}
	}
}

func TestAProcessThatNeedsMoreStackThanThereIsEnds(t *testing.T) {
	if os.Getenv("SMALLSTACK_OVERFLOW") != "" {
		_, _ = Run(64<<10, func() { Spend(80 << 10) })
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "SMALLSTACK_OVERFLOW=1")
	if output, err := child.CombinedOutput(); err == nil {
		t.Errorf("it goes on: %s", output)
	}
}

func TestAStackThatNoThreadCanHaveIsAnError(t *testing.T) {
	if _, err := Run(0, func() { t.Error("called") }); err == nil {
		t.Error("a thread without a stack")
	}
}
