package verify

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/lanecast/lanecast/wire"
)

// The names of the schemes in their digests.
const (
	nameMultisig  = "multisig-"  // ‖ variant
	nameThreshold = "threshold-" // ‖ variant
	nameEd25519   = "ed25519"
	nameSecp256r1 = "secp256r1"
)

// setDigest returns the digest with which processes compare an epoch's validator set
// (docs/protocol.md 1): SHA-256 over varint length ‖ scheme's name ‖ varint n ‖ n × (identity ‖
// signing key ‖ varint weight).
func setDigest(name string, set *validatorSet, key func(i int) []byte) (d [32]byte) {
	h := sha256.New()
	h.Write(binary.AppendUvarint(nil, uint64(len(name))))
	h.Write([]byte(name))
	h.Write(binary.AppendUvarint(nil, uint64(set.len())))
	var buffer [binary.MaxVarintLen64]byte
	for i := range set.identities {
		h.Write(set.identities[i][:])
		h.Write(key(i))
		h.Write(binary.AppendUvarint(buffer[:0], set.weights.Of(wire.Participant(i))))
	}
	h.Sum(d[:0])
	return d
}

// Digest returns the digest of the set: processes with different digests for an epoch have
// different validators, keys or weights. See docs/protocol.md 1.
func (e *validatorSet) Digest() [32]byte { return e.digest }
