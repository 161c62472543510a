package engine_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"os"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// chain is both the application and the network of the only process of a small chain. The process
// is the only validator and the only sequencer.
type chain struct {
	scheme verify.Scheme
	done   context.CancelFunc
}

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

// The network has no other process. A real one also calls Engine.Peer, and Deliver on the result.
func (c *chain) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}
func (c *chain) SendNode([]wire.PublicKey, []byte)                                            {}
func (c *chain) SendAck([]wire.PublicKey, []byte)                                             {}
func (c *chain) SendCertificate([]wire.PublicKey, []byte)                                     {}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var exampleNamespace = []byte("example")

// keys returns the keys of a process: the key for chunks, which is its identity, and the key for
// acks.
func keys(seed byte) (verify.ChunkSigner, *verify.SecretKey) {
	s := bytes.Repeat([]byte{seed}, 32)
	chunks := verify.NewChunkSigner(exampleNamespace, ed25519.NewKeyFromSeed(s))
	return chunks, must(verify.SecretKeyFromSeed(verify.MinSig, s))
}

// validators returns the scheme of an epoch with one process as the only validator, and the signer
// of its acks.
func validators(chunks verify.ChunkSigner, key *verify.SecretKey) (verify.Scheme, verify.AckSigner) {
	self := verify.Validator{
		Identity: chunks.PublicKey(), Key: key.PublicKey(), Proof: key.ProofOfPossession(exampleNamespace),
	}
	config := verify.Config{Namespace: exampleNamespace, AllowVariableTimeSigning: true}
	scheme := must(verify.NewMultisig(config, []verify.Validator{self}))
	return scheme, must(scheme.Signer(key))
}

func Example() {
	chunks, key := keys(0)
	scheme, signer := validators(chunks, key)
	me := chunks.PublicKey()
	epochs := must(engine.NewStaticEpochs(scheme, signer, []wire.PublicKey{me}))
	dir := must(os.MkdirTemp("", "lanecast"))
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	c := &chain{scheme: scheme, done: cancel}
	e := must(engine.New(engine.Config{
		Namespace: exampleNamespace, Identity: me, Sequencer: chunks,
		Schemes: epochs, Sequencers: epochs, Monitor: epochs,
		Automaton: c, Relay: c, Reporter: c, Sender: c,
		Journal: engine.JournalConfig{Dir: dir, Create: true},
	}))
	fmt.Println("stopped:", e.Run(ctx))
	// Output:
	// certified height 0 <nil>
	// certified height 1 <nil>
	// stopped: <nil>
}
