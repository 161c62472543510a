package setup

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// Namespace is the namespace of all of loadgen's signatures.
const Namespace = "lanecast-loadgen"

// Epoch is the only epoch of a run, as engine.StaticEpochs has it.
const Epoch = 0

// Payloads makes and recognizes the digests of a cluster's payloads. A digest is the number of the
// run that it was made in, 8 bytes big-endian, and 24 bytes of a hash of that, the seed and the
// place. So any member can check any payload, of earlier runs too, without storing anything; and a
// later run never proposes the same payload for a place.
type Payloads struct {
	Seed uint64
	Run  uint64
}

// Digest returns the digest of the payload for a place.
func (p Payloads) Digest(at engine.Place) (d wire.Digest) {
	b := []byte("lanecast loadgen payload")
	b = binary.BigEndian.AppendUint64(b, p.Seed)
	b = binary.BigEndian.AppendUint64(b, p.Run)
	b = append(b, at.Sequencer[:]...)
	b = binary.BigEndian.AppendUint64(b, at.Height)
	sum := sha256.Sum256(b)
	binary.BigEndian.PutUint64(d[:8], p.Run)
	copy(d[8:], sum[:])
	return d
}

// Genuine reports whether a digest was made for a place, in any run with the same seed.
func (p Payloads) Genuine(at engine.Place, d wire.Digest) bool {
	p.Run = binary.BigEndian.Uint64(d[:8])
	return p.Digest(at) == d
}

// ChunkPlace returns the place of a chunk.
func ChunkPlace(sequencer wire.PublicKey, height uint64) engine.Place {
	return engine.Place{Sequencer: sequencer, Height: height}
}
