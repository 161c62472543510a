package payload

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// twinSplit returns the largest power of two smaller than n.
func twinSplit(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

// twinRoot is MTH of RFC 6962 section 2.1 over hashes of leaves.
func twinRoot(leaves []wire.Digest) wire.Digest {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := twinSplit(len(leaves))
	left, right := twinRoot(leaves[:k]), twinRoot(leaves[k:])
	return sha256.Sum256(bytes.Join([][]byte{{1}, left[:], right[:]}, nil))
}

// twinPath is PATH of RFC 6962 section 2.1.1.
func twinPath(m int, leaves []wire.Digest) []byte {
	if len(leaves) <= 1 {
		return nil
	}
	k := twinSplit(len(leaves))
	if m < k {
		other := twinRoot(leaves[k:])
		return append(twinPath(m, leaves[:k]), other[:]...)
	}
	other := twinRoot(leaves[:k])
	return append(twinPath(m-k, leaves[k:]), other[:]...)
}

func randomLeaves(n int, seed uint64) []wire.Digest {
	leaves := make([]wire.Digest, n)
	for i := range leaves {
		leaves[i] = sha256.Sum256(binary.BigEndian.AppendUint64([]byte{0}, seed<<20+uint64(i)))
	}
	return leaves
}

// sizeOf returns the size in bytes of a body of that many whole pieces.
func sizeOf(leaves int) uint64 { return uint64(leaves) * PieceSize }

// The root is the tree hash of RFC 6962 section 2.1 over the pieces with SHA-256, and a piece is
// proven by its audit path (docs/protocol.md 7.1).
func TestTreesPathsAndRootsAreThoseOfTheRecursiveDefinition(t *testing.T) {
	for n := range 131 {
		leaves := randomLeaves(n, 1)
		tree, err := TreeOfLeaves(sizeOf(n), leaves)
		if err != nil {
			t.Fatal(err)
		}
		root := twinRoot(leaves)
		if tree.Root() != root {
			t.Fatalf("%d leaves: root %v, want %v", n, tree.Root(), root)
		}
		for i := range n {
			want := twinPath(i, leaves)
			if got := tree.AppendPath(nil, uint64(i)); !bytes.Equal(got, want) {
				t.Fatalf("leaf %d of %d: path %x, want %x", i, n, got, want)
			}
			if got := PathLength(uint64(i), uint64(n)) * 32; got != len(want) {
				t.Fatalf("leaf %d of %d: path of %d bytes, want %d", i, n, got, len(want))
			}
			if climb(leaves[i], uint64(i), uint64(n), want) != root {
				t.Fatalf("leaf %d of %d: its path leads elsewhere", i, n)
			}
		}
		if got := tree.AppendPath(nil, uint64(n)); got != nil {
			t.Fatalf("%d leaves: a path for another one: %x", n, got)
		}
	}
}

func TestOneChangedBitAnywhereLeadsToAnotherRoot(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 40; n++ {
		leaves := randomLeaves(n, 2)
		root := twinRoot(leaves)
		for range 20 {
			i := rng.IntN(n)
			leaf, path := leaves[i], twinPath(i, leaves)
			index := uint64(i)
			switch kind := rng.IntN(3); {
			case kind == 0 && len(path) > 0:
				path[rng.IntN(len(path))] ^= 1 << rng.IntN(8)
			case kind == 1 && n > 1:
				index = uint64((i + 1 + rng.IntN(n-1)) % n)
				if PathLength(index, uint64(n))*32 != len(path) {
					continue // refused before anything is hashed
				}
			default:
				leaf[rng.IntN(32)] ^= 1 << rng.IntN(8)
			}
			if climb(leaf, index, uint64(n), path) == root {
				t.Fatalf("leaf %d of %d", i, n)
			}
		}
	}
}

// FuzzPath offers audit paths for a leaf of a tree of any size and compares the answers with the
// recursive definition.
func FuzzPath(f *testing.F) {
	f.Add(uint16(1), uint16(0), []byte{})
	f.Add(uint16(5), uint16(4), twinPath(4, randomLeaves(5, 3)))
	f.Add(uint16(64), uint16(33), twinPath(33, randomLeaves(64, 3)))
	f.Fuzz(func(t *testing.T, n, index uint16, path []byte) {
		n %= 200
		leaves := randomLeaves(int(n), 3)
		h := Header{BodySize: sizeOf(int(n)), Root: twinRoot(leaves)}
		var right bool
		if index < n {
			right = bytes.Equal(path, twinPath(int(index), leaves))
			if len(path) == PathLength(uint64(index), uint64(n))*32 && right != (climb(leaves[index], uint64(index), uint64(n), path) == h.Root) {
				t.Fatalf("leaf %d of %d: path %x, right is %v", index, n, path, right)
			}
		}
		if err := CheckPiece(&h, uint64(index), make([]byte, PieceSize), path); err == nil {
			t.Fatal("a piece of zeros is taken for a leaf of an unknown piece")
		}
	})
}
