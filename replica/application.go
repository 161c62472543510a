package replica

import (
	"context"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// Application is the chain on top of a replica. Its methods are called from many goroutines and may
// take any time, until the context of the call ends.
type Application interface {
	// Propose returns the body for our lane at a place. The body is the replica's from then on and
	// must not change. Propose is called one height ahead, while the chunk below waits for its
	// certificate, and once at a time. A chain without data waits, or returns [engine.ErrDeclined]
	// and is asked again after [engine.Config].ProposeBackoff. After a restart the replica proposes
	// a body that an earlier run kept and did not propose, if Verify approves it.
	Propose(ctx context.Context, at engine.Place) (body []byte, err error)
	// Verify reports whether the body of a chunk is valid: our ack states this. It is called for
	// many lanes at once, once at a time for each; body is valid until Verify returns. It must give
	// the same answer for the same chunk. It is called neither for bodies that Propose has made in
	// this run, nor for certified chunks. After an error there is no ack, and Verify is called
	// again.
	Verify(ctx context.Context, at engine.Place, body []byte) (bool, error)
	// Deliver hands over the next chunk of a lane, which is certified: in height order, none
	// missing, each at least once. It is called for many lanes at once, once at a time for each.
	// Until a call returns, the lane waits, and our own lane stops proposing when too many of its
	// chunks wait: see [Config].MaxUndelivered. An error stops the replica: Run returns it.
	Deliver(ctx context.Context, c Chunk) error
}

// Chunk is a certified chunk with its body.
type Chunk struct {
	engine.Place
	Digest wire.Digest
	// Body is valid until Deliver returns; the body of a Chunk that [Replica.Get] returns is the
	// caller's.
	Body []byte
	// Proof proves the chunk: it is a lock of this lane, at this height or above. Hosts get
	// different ones, so it must not be part of a state.
	Proof wire.Lock
}
