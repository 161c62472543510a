// Package keys has the keys and sets of the examples' processes.
package keys

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Key returns the key of process i. A real key is generated at random and kept secret.
func Key(i int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "not secret: process %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Identities returns the identities of n processes.
func Identities(n int) (ids []wire.PublicKey) {
	for i := range n {
		ids = append(ids, wire.PublicKey(Key(i).Public().(ed25519.PublicKey)))
	}
	return ids
}

// Epochs returns, for process i of n, sets that never change: each process is a validator and a
// sequencer. With many validators BLS certificates are shorter than those of Ed25519.
func Epochs(namespace []byte, i, n int) (*engine.StaticEpochs, error) {
	ids := Identities(n)
	scheme, err := verify.NewEd25519(namespace, ids)
	if err != nil {
		return nil, err
	}
	signer, err := scheme.Signer(Key(i))
	if err != nil {
		return nil, err
	}
	return engine.NewStaticEpochs(scheme, signer, ids)
}
