package member

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

func TestMembersNoteConflictsAndBlame(t *testing.T) {
	r := new(Run)
	m := &Member{Run: r}
	for _, a := range []wire.Activity{
		&wire.Tip{}, &wire.Conflict{}, &wire.LockConflict{}, &wire.ConflictingAcks{}, &wire.InvalidAck{}, &wire.InvalidNode{},
		&wire.InconsistentKeys{}, &wire.Fork{},
	} {
		if err := m.Report(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if c, f := r.Problems.Counts(); c != 4 || f != 3 {
		t.Errorf("%d conflicts, %d faults: %q", c, f, r.Problems.Texts)
	}
}
