package replica_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/internal/poison"
)

// Released buffers are poisoned. At the end every buffer is back and every goroutine is gone.
func TestMain(m *testing.M) {
	poison.Switch(true)
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), // ants starts a pool as it is loaded
		goleak.Cleanup(func(status int) {
			if n := poison.Owned(); n != 0 && status == 0 {
				fmt.Fprintf(os.Stderr, "%d buffers have not been released\n", n)
				status = 1
			}
			os.Exit(status)
		}))
}
