package engine

import (
	"testing"

	"github.com/lanecast/lanecast/internal/core"
)

// The metrics of messages use upstream's words as labels: for messages that were needed, for those
// that were valid but came too late or found no room, and for those that no honest peer sends.
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
