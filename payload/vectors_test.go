package payload_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

type vector struct {
	Name, Type, Namespace, Encoded, Decode, Digest, Size, Seed, Root string

	Fields struct{ Sequencer, Height, Parent, Size, Root string }
	Paths  []struct {
		Index, Leaf string
		Path        []string
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// bodyOf returns the body that the vectors' README describes.
func bodyOf(size, seed uint64) []byte {
	var b []byte
	for counter := uint64(0); uint64(len(b)) < size; counter++ {
		block := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), counter))
		b = append(b, block[:]...)
	}
	return b[:size]
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "vectors", "payload.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 20 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Type == "header" {
				c.header(t)
			} else {
				c.tree(t)
			}
		})
	}
}

func (c *vector) header(t *testing.T) {
	encoded := unhex(t, c.Encoded)
	var h payload.Header
	err := h.Decode(encoded, math.MaxUint64)
	if c.Decode == "error" {
		if err == nil {
			t.Fatalf("decoded to %+v", h)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want := payload.Header{
		Sequencer: wire.PublicKey(unhex(t, c.Fields.Sequencer)), Height: number(t, c.Fields.Height),
		Parent: wire.Digest(unhex(t, c.Fields.Parent)), BodySize: number(t, c.Fields.Size), Root: wire.Digest(unhex(t, c.Fields.Root)),
	}
	if h != want {
		t.Errorf("decoded to %+v, want %+v", h, want)
	}
	if again := h.AppendTo(nil); !bytes.Equal(again, encoded) || h.Size() != len(encoded) {
		t.Errorf("encodes to %x (Size %d), want %x", again, h.Size(), encoded)
	}
	if got := payload.Digest(unhex(t, c.Namespace), &h); got.String() != c.Digest {
		t.Errorf("digest %v, want %s", got, c.Digest)
	}
}

func (c *vector) tree(t *testing.T) {
	body := bodyOf(number(t, c.Size), number(t, c.Seed))
	tree := payload.Build(body)
	if got := tree.Root(); got.String() != c.Root {
		t.Fatalf("root %v, want %s", got, c.Root)
	}
	h := payload.Header{BodySize: uint64(len(body)), Root: tree.Root()}
	for _, p := range c.Paths {
		index := number(t, p.Index)
		var want []byte
		for _, hash := range p.Path {
			want = append(want, unhex(t, hash)...)
		}
		if got := tree.AppendPath(nil, index); !bytes.Equal(got, want) {
			t.Errorf("piece %d: path %x, want %x", index, got, want)
		}
		if got := tree.Leaves()[index]; got.String() != p.Leaf {
			t.Errorf("piece %d: leaf %v, want %s", index, got, p.Leaf)
		}
		piece := slices.Collect(slices.Chunk(body, payload.PieceSize))[index]
		if err := payload.CheckPiece(&h, index, piece, want); err != nil {
			t.Error(err)
		}
	}
}
