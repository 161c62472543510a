package engine

import (
	"testing"

	"github.com/lanecast/lanecast/internal/core"
)

// The metrics of messages have upstream's words as labels: what was needed, what could have been
// good and came too late or found no room, and what no honest peer sends.
func TestMessagesAreCountedUnderUpstreamsWords(t *testing.T) {
	for word, outcomes := range map[string][]core.Outcome{
		"success": {core.Accepted},
		"dropped": {core.Duplicate, core.Certified, core.Busy, core.NoRoom, core.Stale, core.Replaced, core.Stopped},
		"invalid": {core.Malformed, core.WrongPeer, core.NotValidator, core.Invalid},
	} {
		for _, o := range outcomes {
			if got := outcomeStatus(o); got != word {
				t.Errorf("%v is counted as %q, want %q", o, got, word)
			}
		}
	}
}
