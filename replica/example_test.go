package replica_test

import (
	"crypto/ed25519"
	"fmt"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Config.Epochs for sets that never change: the identities of four processes, each a validator that
// signs acks with its identity key, and a sequencer. Sets that change are an engine.Epochs.
func ExampleConfig_epochs() {
	namespace := []byte("my chain")
	key := ed25519.NewKeyFromSeed(make([]byte, 32)) // ours; a real key is random and secret
	ids := []wire.PublicKey{wire.PublicKey(key.Public().(ed25519.PublicKey))}
	for i := range byte(3) { // those of the others come from the chain's configuration
		other := ed25519.NewKeyFromSeed(append(make([]byte, 31), i+1))
		ids = append(ids, wire.PublicKey(other.Public().(ed25519.PublicKey)))
	}

	scheme, err := verify.NewEd25519(namespace, ids) // the validators
	if err != nil {
		panic(err)
	}
	signer, err := scheme.Signer(key) // of our acks; nil in a process that is no validator
	if err != nil {
		panic(err)
	}
	epochs, err := engine.NewStaticEpochs(scheme, signer, ids) // and the sequencers
	if err != nil {
		panic(err)
	}
	config := replica.Config{Namespace: namespace, Key: key, Epochs: epochs} // and other fields

	sequencers, _ := config.Epochs.Sequencers(0)
	fmt.Println(len(scheme.Participants()), "validators, quorum", scheme.Weights().Quorum())
	fmt.Println(len(sequencers), "sequencers")
	// Output:
	// 4 validators, quorum 3
	// 4 sequencers
}
