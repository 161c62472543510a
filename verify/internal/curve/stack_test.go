//go:build cgo && unix

package curve

import (
	"testing"

	"github.com/lanecast/lanecast/verify/internal/smallstack"
)

const (
	// smallStack is the stack of a thread on which every operation must run: half of what musl
	// gives a thread.
	smallStack = 64 << 10
	// mostStack is the most of it that an operation may use, what Go uses beside included.
	mostStack = 48 << 10
)

func TestEveryOperationRunsOnASmallStack(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		for name, call := range everyOperation(b, g) {
			// On a large one first: there a call that needs too much is an error of this test.
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
