package replica

import (
	"context"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// Application is the chain on top of a replica. Its methods are called from many goroutines and may
// take as long as they like, until the context of the call ends.
type Application interface {
	// Propose returns the body for our lane at a place, which is the replica's from then on and must
	// not change. It is asked one height ahead, while the chunk below waits for its certificate, and
	// by one call at a time. A chain that has nothing to say waits for something, or returns
	// [engine.ErrDeclined] and is asked again after [engine.Config].ProposeBackoff. After a restart
	// the replica proposes what it had kept of a body that was not proposed, if Verify approves of it.
	Propose(ctx context.Context, at engine.Place) (body []byte, err error)
	// Verify says whether the body of a chunk is good, which is what our ack says. Lanes are asked
	// about at once, with one question each; body is valid until Verify returns. It must give the
	// same answer for the same chunk. It is not asked about bodies that Propose has made in this run,
	// nor about what is certified. After an error there is no ack, and it is asked again.
	Verify(ctx context.Context, at engine.Place, body []byte) (bool, error)
	// Deliver hands over the next chunk of a lane, which is certified: in height order, none
	// missing, each at least once. Lanes are delivered at once, with one call each. While a call does
	// not return, the lane waits, and our own lane stops to propose when it has got too far ahead:
	// see [Config].MaxUndelivered. An error stops the replica: Run returns it.
	Deliver(ctx context.Context, c Chunk) error
}

// Chunk is a certified chunk with its body.
type Chunk struct {
	engine.Place
	Digest wire.Digest
	// Body is valid until Deliver returns; what [Replica.Get] returns is the caller's.
	Body []byte
	// Proof proves the chunk: it is of this lane and of this height or one above. Which one it is
	// differs from host to host, so it belongs in no state.
	Proof wire.Lock
}
