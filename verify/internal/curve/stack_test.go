//go:build cgo && unix

package curve

import (
	"testing"

	"github.com/lanecast/lanecast/verify/internal/smallstack"
)

const (
	// smallStack is the stack size of a thread on which every operation must run: half of a
	// thread's with musl.
	smallStack = 64 << 10
	// mostStack is the maximum that an operation may use of it, including Go's own part.
	mostStack = 48 << 10
)

func TestEveryOperationRunsOnASmallStack(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		for name, call := range everyOperation(b, g) {
			// On a large stack first: there a call that needs too much makes this test fail.
			used, err := smallstack.Run(1<<20, call)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%6d bytes: %s", used, name)
			if used > mostStack {
				t.Errorf("%s uses %d bytes of stack; %d are allowed", name, used, mostStack)
				continue
			}
			if _, err := smallstack.Run(smallStack, call); err != nil {
				t.Fatal(err)
			}
		}
	})
}
