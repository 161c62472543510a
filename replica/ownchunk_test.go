package replica

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A proposal that is withdrawn during the wait for validators lets no later one pass.
func TestTheWaitForWhoVouchesOutlivesAProposal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVouched()
		began := time.Now()
		v.until = began.Add(5 * time.Second)
		close(v.met)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		v.wait(ctx)
		v.wait(t.Context())
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("a proposal passed after %v", waited)
		}
		v.wait(t.Context())
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("the next one passed after %v", waited)
		}
	})
}
