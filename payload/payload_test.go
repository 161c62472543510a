package payload_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// headerOf returns the header at height 0 of a body.
func headerOf(body []byte) (*payload.Header, *payload.Tree) {
	tree := payload.Build(body)
	return &payload.Header{BodySize: uint64(len(body)), Root: tree.Root()}, tree
}

// The size is at most the network's MaxPayload (docs/protocol.md 7.1).
func TestAHeaderOfALargerBodyThanAllowedIsRefused(t *testing.T) {
	h := payload.Header{BodySize: payload.DefaultMaxPayload}
	b := h.AppendTo(nil)
	if err := new(payload.Header).Decode(b, payload.DefaultMaxPayload); err != nil {
		t.Fatal(err)
	}
	h.BodySize++
	err := new(payload.Header).Decode(h.AppendTo(nil), payload.DefaultMaxPayload)
	var decode *wire.DecodeError
	if !errors.Is(err, payload.ErrTooLarge) || !errors.As(err, &decode) || decode.Field != "size" {
		t.Fatal(err)
	}
}

func TestAHeadersErrorNamesItsField(t *testing.T) {
	h := payload.Header{Height: 3, Parent: wire.Digest{1}, BodySize: 9}
	good := h.AppendTo(nil)
	genesis := payload.Header{Parent: wire.Digest{1}}
	orphan := payload.Header{Height: 1}
	for _, c := range []struct {
		b     []byte
		field string
		err   error
	}{
		{nil, "payload format", wire.ErrTruncated},
		{append([]byte{7}, good[1:]...), "payload format", payload.ErrFormat},
		{good[:9], "sequencer", wire.ErrTruncated},
		{good[:33], "height", wire.ErrTruncated},
		{good[:40], "parent", wire.ErrTruncated},
		{good[:66], "size", wire.ErrTruncated},
		{good[:70], "root", wire.ErrTruncated},
		{append(slices.Clone(good), 0), "header", wire.ErrTrailing},
		{append(append(slices.Clone(good[:33]), 0x83, 0), good[34:]...), "height", wire.ErrVarint},
		{genesis.AppendTo(nil), "parent", wire.ErrParentAtGenesis},
		{orphan.AppendTo(nil), "parent", wire.ErrParentMissing},
	} {
		err := h.Decode(c.b, math.MaxUint64)
		var decode *wire.DecodeError
		if !errors.Is(err, c.err) || !errors.As(err, &decode) || decode.Field != c.field {
			t.Errorf("%x: %v, want %s: %v", c.b, err, c.field, c.err)
		}
	}
}

func TestTheLongestHeaderHasTheLengthMaxHeaderSize(t *testing.T) {
	h := payload.Header{Height: math.MaxUint64, Parent: wire.Digest{1}, BodySize: math.MaxUint64}
	if n := len(h.AppendTo(nil)); n != payload.MaxHeaderSize {
		t.Fatalf("%d bytes, want %d", n, payload.MaxHeaderSize)
	}
}

func TestNamespacesOfWhichOneBeginsTheOtherGiveOtherDigests(t *testing.T) {
	h := payload.Header{BodySize: 1}
	if payload.Digest([]byte("a"), &h) == payload.Digest([]byte("a_PAYLOAD"), &h) || payload.Digest(nil, &h) == payload.Digest([]byte("a"), &h) {
		t.Fatal("two namespaces share a digest")
	}
}

func TestABodyWrittenInAnyPartsGivesTheSameTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var b payload.Builder
	for _, size := range []int{0, 1, payload.PieceSize, 3*payload.PieceSize + 5} {
		body := bodyOf(uint64(size), 1)
		for rest := body; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(100_000))
			if written, err := b.Write(rest[:n]); written != n || err != nil {
				t.Fatal(written, err)
			}
			rest = rest[n:]
		}
		if got, want := b.Tree(), payload.Build(body); got.Root() != want.Root() || got.BodySize() != want.BodySize() {
			t.Fatalf("%d bytes in parts: %v, want %v", size, got.Root(), want.Root())
		}
	}
}

func TestSizesUpToTheGreatestHaveTheirPieces(t *testing.T) {
	const p = payload.PieceSize
	for _, c := range []struct {
		size, pieces uint64
		last         int
	}{
		{0, 0, 0}, {1, 1, 1}, {p, 1, p}, {p + 1, 2, 1}, {math.MaxUint64, 1 << 48, p - 1}, {math.MaxUint64 - p + 1, 1<<48 - 1, p},
	} {
		if got := payload.Pieces(c.size); got != c.pieces {
			t.Errorf("%d bytes: %d pieces, want %d", c.size, got, c.pieces)
		}
		if c.pieces > 0 {
			if got := payload.PieceLength(c.size, c.pieces-1); got != c.last {
				t.Errorf("%d bytes: last piece of %d, want %d", c.size, got, c.last)
			}
		}
		if got := payload.PieceLength(c.size, c.pieces); got != 0 {
			t.Errorf("%d bytes: a piece behind the last, of %d", c.size, got)
		}
	}
	if got := payload.PathLength(0, 1<<48); got != 48 {
		t.Errorf("a path of %d hashes in the largest tree", got)
	}
}

// A piece whose index or length is not what size says is wrong whatever its proof
// (docs/protocol.md 7.1).
func TestAPieceThatDoesNotFitTheSizeIsWrongWhateverItsProof(t *testing.T) {
	body := bodyOf(2*payload.PieceSize+10, 7)
	h, tree := headerOf(body)
	last := body[2*payload.PieceSize:]
	path := tree.AppendPath(nil, 2)
	if err := payload.CheckPiece(h, 2, last, path); err != nil {
		t.Fatal(err)
	}
	first, firstPath := body[:payload.PieceSize], tree.AppendPath(nil, 0)
	node := func(i uint64) []byte { // siblings as a piece: a second-preimage attack
		return append(slices.Clone(tree.Leaves()[i][:]), tree.Leaves()[i+1][:]...)
	}
	small := &payload.Header{BodySize: 64, Root: tree.Root()}
	for _, c := range []struct {
		name  string
		h     *payload.Header
		index uint64
		piece []byte
		path  []byte
		want  error
	}{
		{"index behind the last", h, 3, last, path, payload.ErrIndex},
		{"the greatest index", h, math.MaxUint64, last, path, payload.ErrIndex},
		{"a byte less", h, 2, last[:9], path, payload.ErrLength},
		{"a byte more", h, 2, append(slices.Clone(last), 0), path, payload.ErrLength},
		{"nothing", h, 0, nil, firstPath, payload.ErrLength},
		{"a path cut short", h, 0, first, firstPath[:32], payload.ErrPathLength},
		{"a path with part of a hash", h, 0, first, firstPath[:63], payload.ErrPathLength},
		{"a path with a hash too many", h, 0, first, append(slices.Clone(firstPath), firstPath[:32]...), payload.ErrPathLength},
		{"another's path", h, 1, body[payload.PieceSize : 2*payload.PieceSize], firstPath, payload.ErrRoot},
		{"another's place", h, 1, first, firstPath, payload.ErrRoot},
		{"an inner node for a piece, of its length", small, 0, node(0), nil, payload.ErrRoot},
		{"any piece of an empty body", &payload.Header{Root: tree.Root()}, 0, nil, nil, payload.ErrIndex},
		{"a size near 2^64", &payload.Header{BodySize: math.MaxUint64, Root: tree.Root()}, 1 << 47, first, firstPath, payload.ErrPathLength},
	} {
		if err := payload.CheckPiece(c.h, c.index, c.piece, c.path); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestABodyIsAssembledFromPiecesInAnyOrderAndWrongOnesChangeNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, size := range []int{0, 1, payload.PieceSize, 5*payload.PieceSize + 1, 16 * payload.PieceSize} {
		body := bodyOf(uint64(size), 2)
		h, tree := headerOf(body)
		a, err := payload.NewAssembly(h, make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		pieces := slices.Collect(slices.Chunk(body, payload.PieceSize))
		for i, n := range rng.Perm(len(pieces)) {
			if got, _ := a.Complete(); got != nil || a.Missing() != uint64(len(pieces)-i) || a.Has(uint64(n)) {
				t.Fatalf("%d bytes: complete with %d pieces of %d", size, i, len(pieces))
			}
			path := tree.AppendPath(nil, uint64(n))
			wrong := bytes.Clone(pieces[n])
			wrong[rng.IntN(len(wrong))] ^= 1
			if fresh, err := a.Add(uint64(n), wrong, path); fresh || !errors.Is(err, payload.ErrRoot) {
				t.Fatal("a wrong piece is taken")
			}
			if fresh, err := a.Add(uint64(n), pieces[n], path); !fresh || err != nil {
				t.Fatal(fresh, err)
			}
			if fresh, err := a.Add(uint64(n), nil, nil); fresh || err != nil {
				t.Fatal("a piece that is there is looked at again:", fresh, err)
			}
		}
		got, built := a.Complete()
		if !bytes.Equal(got, body) || built.Root() != tree.Root() {
			t.Fatalf("%d bytes: another body, or root", size)
		}
		if len(pieces) > 0 && !bytes.Equal(built.AppendPath(nil, 0), tree.AppendPath(nil, 0)) {
			t.Fatalf("%d bytes: another path", size)
		}
	}
}

func TestAHeaderWithTheRootOfNoBodyIsRefused(t *testing.T) {
	if _, err := payload.NewAssembly(&payload.Header{Root: wire.Digest{1}}, nil); !errors.Is(err, payload.ErrRoot) {
		t.Error("an empty body with another root:", err)
	}
	if _, err := payload.NewAssembly(&payload.Header{BodySize: 5}, make([]byte, 4)); !errors.Is(err, payload.ErrLength) {
		t.Error("a buffer that is too short:", err)
	}
	if _, err := payload.NewAssembly(&payload.Header{Root: sha256.Sum256(nil)}, nil); err != nil {
		t.Error("an empty body:", err)
	}
	body := []byte("body")
	h, _ := headerOf(body)
	if _, err := payload.CheckBody(h, body); err != nil {
		t.Error(err)
	}
	if _, err := payload.CheckBody(h, body[:3]); !errors.Is(err, payload.ErrLength) {
		t.Error(err)
	}
	if _, err := payload.CheckBody(h, []byte("bodY")); !errors.Is(err, payload.ErrRoot) {
		t.Error(err)
	}
	if _, err := payload.TreeOfLeaves(payload.PieceSize+1, make([]wire.Digest, 1)); !errors.Is(err, payload.ErrLength) {
		t.Error(err)
	}
}

func TestAHeaderIsReadAtTheStartOfLongerBytes(t *testing.T) {
	want := payload.Header{Sequencer: wire.PublicKey{1}, Height: 300, Parent: wire.Digest{2}, BodySize: 5, Root: wire.Digest{3}}
	b := want.AppendTo(nil)
	var got payload.Header
	if n, err := got.DecodePrefix(append(slices.Clone(b), 1, 2, 3), 5); err != nil || n != len(b) || got != want {
		t.Errorf("%d of %d bytes, %+v, %v", n, len(b), got, err)
	}
	if n, err := got.DecodePrefix(b, 4); !errors.Is(err, payload.ErrTooLarge) || n != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	for i := range b {
		if n, err := got.DecodePrefix(b[:i], 5); !errors.Is(err, wire.ErrTruncated) || n != 0 {
			t.Errorf("%d of the first %d bytes, %v", n, i, err)
		}
	}
}

// FuzzDecodeHeader checks that every header that decodes encodes to the same bytes and is within
// the limit.
func FuzzDecodeHeader(f *testing.F) {
	f.Add((&payload.Header{BodySize: 5}).AppendTo(nil), uint64(10))
	f.Add((&payload.Header{Height: 1 << 40, Parent: wire.Digest{1}, BodySize: math.MaxUint64}).AppendTo(nil), uint64(math.MaxUint64))
	f.Add([]byte{1}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, limit uint64) {
		var h payload.Header
		if err := h.Decode(b, limit); err != nil {
			var decode *wire.DecodeError
			if !errors.As(err, &decode) {
				t.Fatalf("%T", err)
			}
			return
		}
		if again := h.AppendTo(nil); !bytes.Equal(again, b) || h.Size() != len(b) || h.BodySize > limit {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, h, again)
		}
	})
}

func ExampleTree() {
	body := make([]byte, 100_000)
	tree := payload.Build(body)
	h := payload.Header{Sequencer: wire.PublicKey{1}, BodySize: tree.BodySize(), Root: tree.Root()}
	fmt.Println(payload.Pieces(h.BodySize), "pieces, digest", payload.Digest([]byte("_EXAMPLE"), &h))

	path := tree.AppendPath(nil, 1)
	fmt.Println(payload.CheckPiece(&h, 1, body[payload.PieceSize:], path))
	fmt.Println(payload.CheckPiece(&h, 0, body[:payload.PieceSize], path))
	// Output:
	// 2 pieces, digest 2726394e26d09fb2bd089bd909c8fc80311850320afbd5860ab4e98434d791b0
	// <nil>
	// payload: the hashes do not lead to the root: piece 0
}
