package payload

import (
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/lanecast/lanecast/wire"
)

// emptyRoot is the root of a tree without leaves, SHA-256 of the empty string.
var emptyRoot wire.Digest = sha256.Sum256(nil)

// Tree is the hash tree over the pieces of one body. It does not change, so any goroutine may use
// it. It takes 64 bytes for each piece.
type Tree struct {
	size uint64
	// levels are the leaves, then the nodes above them, up to the root. A last node without sibling
	// is also a node of the next level. This gives the tree of RFC 6962, whose left subtree is
	// always the largest full one.
	levels [][]wire.Digest
}

// Build returns the tree over a body.
func Build(body []byte) *Tree {
	b := Builder{leaves: make([]wire.Digest, 0, Pieces(uint64(len(body))))}
	_, _ = b.Write(body) // never fails
	return b.Tree()
}

// TreeOfLeaves returns the tree over a body of size bytes whose pieces have these hashes. The tree
// owns the slice from then on.
func TreeOfLeaves(size uint64, leaves []wire.Digest) (*Tree, error) {
	if want := Pieces(size); uint64(len(leaves)) != want {
		return nil, fmt.Errorf("%w: %d hashes of pieces, want %d", ErrLength, len(leaves), want)
	}
	t := &Tree{size: size}
	if len(leaves) == 0 {
		return t, nil
	}
	t.levels = append(t.levels, leaves)
	for len(leaves) > 1 {
		above := make([]wire.Digest, 0, (len(leaves)+1)/2)
		for i := 0; i+1 < len(leaves); i += 2 {
			above = append(above, hashPair(&leaves[i], &leaves[i+1]))
		}
		if len(leaves)%2 == 1 {
			above = append(above, leaves[len(leaves)-1])
		}
		t.levels = append(t.levels, above)
		leaves = above
	}
	return t, nil
}

// BodySize returns the number of bytes of the body.
func (t *Tree) BodySize() uint64 { return t.size }

// Root returns the body's root.
func (t *Tree) Root() wire.Digest {
	if len(t.levels) == 0 {
		return emptyRoot
	}
	return t.levels[len(t.levels)-1][0]
}

// Leaves returns the hashes of the pieces in order. The tree owns the slice.
func (t *Tree) Leaves() []wire.Digest {
	if len(t.levels) == 0 {
		return nil
	}
	return t.levels[0]
}

// AppendPath appends the audit path of a piece to dst, hashes back to back from the leaf's sibling
// up. It hashes nothing. For an index outside of the body it appends nothing.
func (t *Tree) AppendPath(dst []byte, index uint64) []byte {
	if index >= uint64(len(t.Leaves())) {
		return dst
	}
	for _, level := range t.levels {
		if sibling := index ^ 1; sibling < uint64(len(level)) {
			dst = append(dst, level[sibling][:]...)
		}
		index >>= 1
	}
	return dst
}

// Builder makes the tree of a body that is written to it, in parts of any length. Its zero value is
// ready for use. It keeps no byte of the body.
type Builder struct {
	size   uint64
	leaves []wire.Digest
	piece  hash.Hash // of the current, incomplete piece
	in     int       // number of bytes of the current piece
}

// Write hashes b, once. It never fails.
func (b *Builder) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if b.in == 0 {
			if b.piece == nil {
				b.piece = sha256.New()
			}
			b.piece.Reset()
			_, _ = b.piece.Write(leafPrefix) // hashes return no errors
		}
		part := p[:min(len(p), PieceSize-b.in)]
		_, _ = b.piece.Write(part)
		p = p[len(part):]
		if b.in += len(part); b.in == PieceSize {
			b.finish()
		}
	}
	b.size += uint64(n)
	return n, nil
}

func (b *Builder) finish() {
	b.leaves = append(b.leaves, wire.Digest{})
	b.piece.Sum(b.leaves[len(b.leaves)-1][:0])
	b.in = 0
}

// Tree returns the tree over all bytes written, and empties the builder.
func (b *Builder) Tree() *Tree {
	if b.in > 0 {
		b.finish()
	}
	t, _ := TreeOfLeaves(b.size, b.leaves) // the number of leaves fits the size
	b.size, b.leaves = 0, nil
	return t
}
