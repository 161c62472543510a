package payload

import (
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// CheckBody returns the tree over body if it is the body of h, hashing it once. The error wraps
// ErrLength or ErrRoot.
func CheckBody(h *Header, body []byte) (*Tree, error) {
	if uint64(len(body)) != h.BodySize {
		return nil, fmt.Errorf("%w: the body has %d bytes, want %d", ErrLength, len(body), h.BodySize)
	}
	t := Build(body)
	if t.Root() != h.Root {
		return nil, fmt.Errorf("%w: it is another body", ErrRoot)
	}
	return t, nil
}

// Assembly puts a body together from pieces, which may come in any order, from any peer, and more
// than once. Besides the buffer that it is given it takes 33 bytes for each piece. It is not safe
// for use by several goroutines.
type Assembly struct {
	header  Header
	buffer  []byte
	have    []bool
	leaves  []wire.Digest // of the pieces received so far
	missing uint64
}

// NewAssembly returns an assembly of the body of h in buffer, whose length must be the body's. The
// assembly owns the buffer until all pieces are there or the caller drops the assembly. The error
// wraps ErrLength or, for an empty body whose root is not that of an empty body, ErrRoot.
func NewAssembly(h *Header, buffer []byte) (*Assembly, error) {
	if uint64(len(buffer)) != h.BodySize {
		return nil, fmt.Errorf("%w: the buffer has %d bytes, want %d", ErrLength, len(buffer), h.BodySize)
	}
	if h.BodySize == 0 && h.Root != emptyRoot {
		return nil, fmt.Errorf("%w: an empty body has another one", ErrRoot)
	}
	pieces := Pieces(h.BodySize)
	return &Assembly{
		header: *h, buffer: buffer, have: make([]bool, pieces), leaves: make([]wire.Digest, pieces), missing: pieces,
	}, nil
}

// Add checks a piece as [CheckPiece] does, and copies it to its place. A piece that is there
// already is not checked: then fresh is false and the error nil. An error changes nothing.
func (a *Assembly) Add(index uint64, piece, path []byte) (fresh bool, err error) {
	if index < uint64(len(a.have)) && a.have[index] {
		return false, nil
	}
	leaf, err := checkPiece(&a.header, index, piece, path)
	if err != nil {
		return false, err
	}
	copy(a.buffer[index*PieceSize:], piece)
	a.have[index], a.leaves[index] = true, leaf
	a.missing--
	return true, nil
}

// Has reports whether a piece is there.
func (a *Assembly) Has(index uint64) bool { return index < uint64(len(a.have)) && a.have[index] }

// Missing returns the number of pieces that are not there yet.
func (a *Assembly) Missing() uint64 { return a.missing }

// Complete returns the body and its tree once every piece is there; before that, nil. It hashes no
// byte of the body again.
func (a *Assembly) Complete() ([]byte, *Tree) {
	if a.missing > 0 {
		return nil, nil
	}
	t, _ := TreeOfLeaves(a.header.BodySize, a.leaves) // the number of leaves fits the size
	return a.buffer, t
}
