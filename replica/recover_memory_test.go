package replica

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 5.5: «Memory is bounded by configuration, whatever peers send, however long it
// runs».
func TestRule5_5_LiesThatChangeWithEachAnswerFillNoMemoryOfARecovery(t *testing.T) {
	c := newRecovery()
	for round := range 5 {
		a := new(answer)
		for i := range maxUnknown {
			a.unknown = append(a.unknown, wire.Subject{Chunk: wire.Chunk{Sequencer: wire.PublicKey{byte(round), byte(i), byte(i >> 8)}}, Epoch: 99})
		}
		c.take(wire.PublicKey{1}, wire.PublicKey{2}, a)
		if len(c.unknown) > maxUnknown {
			t.Fatalf("in round %d there are locks of %d lanes", round, len(c.unknown))
		}
		c.forgetAnswers(0)
	}
}
