package engine_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// chain is all that one process of a small chain brings along: a single validator, which is the only sequencer too.
type chain struct {
	scheme verify.Scheme
	signer verify.AckSigner
	done   context.CancelFunc
}

// The sets of every epoch, and the epoch, which never changes.
func (c *chain) Scheme(uint64) (verify.Scheme, bool)                   { return c.scheme, true }
func (c *chain) AckSigner(uint64) verify.AckSigner                     { return c.signer }
func (c *chain) Sequencers(uint64) ([]wire.PublicKey, bool)            { return c.scheme.Participants(), true }
func (c *chain) Epochs(context.Context) (uint64, <-chan uint64, error) { return 1, nil, nil }

// The application: two payloads, known by their digests.
func (c *chain) Propose(_ context.Context, at engine.Place) (wire.Digest, error) {
	if at.Height == 2 {
		return wire.Digest{}, engine.ErrDeclined
	}
	return wire.Digest{0xB1, byte(at.Height)}, nil
}
func (c *chain) Verify(_ context.Context, at engine.Place, payload wire.Digest) (bool, error) {
	return payload == wire.Digest{0xB1, byte(at.Height)}, nil
}
func (c *chain) Report(_ context.Context, a wire.Activity) error {
	if certified, ok := a.(*wire.Certified); ok {
		l := certified.Lock
		fmt.Println("certified height", l.Chunk.Height, verify.VerifyCertificate(c.scheme, l.Subject(), l.Certificate))
		if l.Chunk.Height == 1 {
			c.done()
		}
	}
	return nil
}

// The network: nobody else is there. A real one also calls Engine.Peer, and Deliver on what that returns.
func (c *chain) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}
func (c *chain) SendNode([]wire.PublicKey, []byte)                                            {}
func (c *chain) SendAck([]wire.PublicKey, []byte)                                             {}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
func Example() {
	namespace := []byte("example")
	chunks := verify.NewChunkSigner(namespace, ed25519.NewKeyFromSeed(make([]byte, 32)))
	key := must(verify.SecretKeyFromSeed(verify.MinSig, make([]byte, 32)))
	self := verify.Validator{Identity: chunks.PublicKey(), Key: key.PublicKey(), Proof: key.ProofOfPossession(namespace)}
	options := verify.Config{Namespace: namespace, AllowVariableTimeSigning: true}
	scheme := must(verify.NewMultisig(options, []verify.Validator{self}))
	ctx, cancel := context.WithCancel(context.Background())
	dir := must(os.MkdirTemp("", "lanecast"))
	defer os.RemoveAll(dir)
	c := &chain{scheme: scheme, signer: must(scheme.Signer(key)), done: cancel}
	e := must(engine.New(engine.Config{
		Namespace: namespace, Identity: self.Identity, Sequencer: chunks, Schemes: c, Sequencers: c, Monitor: c,
		Automaton: c, Relay: c, Reporter: c, Sender: c, Journal: engine.JournalConfig{Dir: dir, Create: true},
	}))
	fmt.Println("stopped:", e.Run(ctx))
	// Output:
	// certified height 0 <nil>
	// certified height 1 <nil>
	// stopped: <nil>
}
