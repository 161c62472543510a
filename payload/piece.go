package payload

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"

	"github.com/lanecast/lanecast/wire"
)

// PieceSize is the length in bytes of every piece of a body but its last.
const PieceSize = 64 << 10

// Errors of pieces and bodies. Those of decoding a header are in header.go.
var (
	// ErrIndex: the body has no piece of that index.
	ErrIndex = errors.New("payload: the body has no such piece")
	// ErrLength: the length of a piece or of a body does not fit the header's size.
	ErrLength = errors.New("payload: wrong length")
	// ErrPathLength: the length of an audit path does not fit index and size.
	ErrPathLength = errors.New("payload: wrong length of the audit path")
	// ErrRoot: the hashes of the bytes do not lead to the header's root.
	ErrRoot = errors.New("payload: the hashes do not lead to the root")
)

// Pieces returns the number of pieces of a body of size bytes.
func Pieces(size uint64) uint64 {
	if size == 0 {
		return 0
	}
	return (size-1)/PieceSize + 1
}

// PieceLength returns the length in bytes of a piece of a body of size bytes, or 0 if the body has
// no such piece.
func PieceLength(size, index uint64) int {
	pieces := Pieces(size)
	switch {
	case index >= pieces:
		return 0
	case index == pieces-1:
		return int((size-1)%PieceSize) + 1
	}
	return PieceSize
}

// PathLength returns the number of hashes in the audit path of the leaf at index in a tree with
// that many leaves. It is 0 for the only leaf of a tree, and for an index outside of the tree.
func PathLength(index, leaves uint64) int {
	if index >= leaves {
		return 0
	}
	// Below the node where the paths of this leaf and of the last leaf meet, each level adds a
	// hash. Above it the paths are the same, and a level adds a hash if the node has a left
	// sibling.
	last := leaves - 1
	below := bits.Len64(index ^ last)
	return below + bits.OnesCount64(index>>below)
}

// CheckPiece checks that piece is the piece at index of the body of h. path is its audit path, the
// hashes back to back from the leaf's sibling up. The error wraps ErrIndex, ErrLength,
// ErrPathLength or ErrRoot.
func CheckPiece(h *Header, index uint64, piece, path []byte) error {
	_, err := checkPiece(h, index, piece, path)
	return err
}

// checkPiece is CheckPiece, and also returns the hash of the piece.
func checkPiece(h *Header, index uint64, piece, path []byte) (leaf wire.Digest, err error) {
	leaves := Pieces(h.BodySize)
	if index >= leaves {
		return leaf, fmt.Errorf("%w: piece %d of %d", ErrIndex, index, leaves)
	}
	if want := PieceLength(h.BodySize, index); len(piece) != want {
		return leaf, fmt.Errorf("%w: piece %d has %d bytes, want %d", ErrLength, index, len(piece), want)
	}
	if want := PathLength(index, leaves) * sha256.Size; len(path) != want {
		return leaf, fmt.Errorf("%w: that of piece %d has %d bytes, want %d", ErrPathLength, index, len(path), want)
	}
	leaf = hashLeaf(piece)
	if climb(leaf, index, leaves, path) != h.Root {
		return leaf, fmt.Errorf("%w: piece %d", ErrRoot, index)
	}
	return leaf, nil
}

// climb returns the root that follows from a leaf and its audit path. The path must have the right
// length.
func climb(leaf wire.Digest, index, leaves uint64, path []byte) wire.Digest {
	at, last := index, leaves-1
	for len(path) > 0 && last > 0 {
		sibling := wire.Digest(path)
		switch {
		case at&1 == 1:
			leaf = hashPair(&sibling, &leaf)
		case at == last: // the last node of a level, without a sibling, is a node of the next level
			at, last = at>>1, last>>1
			continue
		default:
			leaf = hashPair(&leaf, &sibling)
		}
		path = path[sha256.Size:]
		at, last = at>>1, last>>1
	}
	return leaf
}

// hashPair returns the hash of an inner node.
func hashPair(left, right *wire.Digest) wire.Digest {
	var b [1 + 2*sha256.Size]byte
	b[0] = 0x01
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// leafPrefix is hashed before a piece, so that no inner node is the hash of a piece.
var leafPrefix = []byte{0x00}

// hashLeaf returns the hash of a piece.
func hashLeaf(piece []byte) (leaf wire.Digest) {
	h := sha256.New()
	_, _ = h.Write(leafPrefix) // hashes return no errors
	_, _ = h.Write(piece)
	h.Sum(leaf[:0])
	return leaf
}
