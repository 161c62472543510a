package wire_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// codec holds a message, its bytes, and a decoder that makes a new message from them.
type codec struct {
	name    string
	value   interface{ AppendTo([]byte) []byte }
	size    func() int
	decode  func([]byte) (any, error)
	encoded string // in the notation of unhex, written from the specification
}

// goldenFormats gives each kind of certificate an epoch of its own: 1 multisig of 10, 300
// threshold, 2^64−1 Ed25519 of 3.
var goldenFormats = epochFormats{1: multisig(10), 300: threshold(10), 1<<64 - 1: ed25519List(3)}

func decodeChunk(b []byte) (any, error)    { c := new(wire.Chunk); return c, c.Decode(b) }
func decodeProposal(b []byte) (any, error) { p := new(wire.Proposal); return p, p.Decode(b) }
func decodeParent(b []byte) (any, error) {
	p := new(wire.Parent)
	return p, p.Decode(b, goldenFormats)
}
func decodeNode(b []byte) (any, error) { n := new(wire.Node); return n, n.Decode(b, goldenFormats) }
func decodeAck(b []byte) (any, error)  { a := new(wire.Ack); return a, a.DecodeWith(b, goldenFormats) }
func decodeLock(b []byte) (any, error) { l := new(wire.Lock); return l, l.Decode(b, goldenFormats) }
func decodeActivity(b []byte) (any, error) {
	return wire.DecodeActivity(b, goldenFormats)
}

// Bytes that occur in many messages.
const (
	chunk7     = "11*32 07 22*32"
	signers10  = "000000000000000a 0502" // participants 0, 2, 9 of 10
	aggregate  = signers10 + " C0*48"
	signers3   = "0000000000000003 06" // participants 1, 2 of 3
	list       = signers3 + " 02 01*64 02*64"
	epochMax   = "ff*9 01"
	acksTwins  = "11*32 07 22*32 01 04 A1*48   11*32 07 33*32 01 04 A2*48"
	encoded7   = "01 11*32 07 66*32 8004 77*32" // headers of heights 7 and 6
	encoded6   = "01 11*32 06 55*32 00 88*32"
	locksTwins = "11*32 07 22*32 01 " + aggregate + "   11*32 07 33*32 ac02 C1*48"
)

func goldens() []codec {
	other := wire.Chunk{Sequencer: keyOf(0x11), Height: 7, Payload: digestOf(0x33)}
	aggregateBytes := wire.AppendSignersAndAggregate(nil, signersOf(10, 0, 2, 9), filled(g1, 0xC0))
	listBytes := wire.AppendSignersAndList(nil, signersOf(3, 1, 2),
		func(i wire.Participant) []byte { return filled(ed, byte(i)) })
	proposal := wire.Proposal{Chunk: chunkAt(7), Signature: signatureOf(0x51)}
	lock := wire.Lock{Chunk: chunkAt(7), Epoch: 1, Certificate: aggregateBytes}
	otherLock := wire.Lock{Chunk: other, Epoch: 300, Certificate: filled(g1, 0xC1)}
	lowerLock := wire.Lock{Chunk: chunkAt(5), Epoch: 300, Certificate: filled(g1, 0xC1)}
	header7 := slices.Concat([]byte{1}, filled(32, 0x11), []byte{7}, filled(32, 0x66), []byte{0x80, 4}, filled(32, 0x77))
	header6 := slices.Concat([]byte{1}, filled(32, 0x11), []byte{6}, filled(32, 0x55), []byte{0}, filled(32, 0x88))

	sized := func(name string, v interface {
		AppendTo([]byte) []byte
		Size() int
	}, decode func([]byte) (any, error), encoded string) codec {
		return codec{name, v, v.Size, decode, encoded}
	}
	chunk := func(height uint64) *wire.Chunk { c := chunkAt(height); return &c }
	return []codec{
		sized("chunk at genesis", chunk(0), decodeChunk, "11*32 00 22*32"),
		sized("chunk, one-byte height", chunk(127), decodeChunk, "11*32 7f 22*32"),
		sized("chunk, two-byte height", chunk(128), decodeChunk, "11*32 8001 22*32"),
		sized("chunk, height 300", chunk(300), decodeChunk, "11*32 ac02 22*32"),
		sized("chunk, largest height", chunk(1<<64-1), decodeChunk, "11*32 ff*9 01 22*32"),

		sized("proposal", &proposal, decodeProposal, chunk7+" 51*64"),

		sized("parent, multisig", &wire.Parent{Payload: digestOf(0x0F), Epoch: 1, Certificate: aggregateBytes},
			decodeParent, "0F*32 01 "+aggregate),
		sized("parent, threshold", &wire.Parent{Payload: digestOf(0x0F), Epoch: 300, Certificate: filled(g1, 0xC1)},
			decodeParent, "0F*32 ac02 C1*48"),
		sized("parent, ed25519", &wire.Parent{Payload: digestOf(0x0F), Epoch: 1<<64 - 1, Certificate: listBytes},
			decodeParent, "0F*32 "+epochMax+" "+list),

		sized("node at genesis", &wire.Node{Chunk: chunkAt(0), Signature: signatureOf(0x51)},
			decodeNode, "11*32 00 22*32 51*64 00"),
		sized("node above genesis", &wire.Node{Chunk: chunkAt(7), Signature: signatureOf(0x51),
			Parent: wire.Parent{Payload: digestOf(0x0F), Epoch: 1, Certificate: aggregateBytes}},
			decodeNode, chunk7+" 51*64 01 0F*32 01 "+aggregate),
		sized("node at height 1", &wire.Node{Chunk: chunkAt(1), Signature: signatureOf(0x51),
			Parent: wire.Parent{Payload: digestOf(0x0F), Epoch: 300, Certificate: filled(g1, 0xC1)}},
			decodeNode, "11*32 01 22*32 51*64 01 0F*32 ac02 C1*48"),

		sized("ack", &wire.Ack{Chunk: chunkAt(7), Epoch: 1, Participant: 4, Signature: filled(g1, 0xA1)},
			decodeAck, chunk7+" 01 04 A1*48"),
		sized("ack, largest participant", &wire.Ack{Chunk: chunkAt(0), Epoch: 1<<64 - 1, Participant: 1<<32 - 1,
			Signature: filled(ed, 0xA1)}, decodeAck, "11*32 00 22*32 "+epochMax+" ffffffff0f A1*64"),

		sized("lock, multisig", &lock, decodeLock, chunk7+" 01 "+aggregate),
		sized("lock, threshold", &otherLock, decodeLock, "11*32 07 33*32 ac02 C1*48"),
		sized("lock, ed25519", &wire.Lock{Chunk: chunkAt(7), Epoch: 1<<64 - 1, Certificate: listBytes},
			decodeLock, chunk7+" "+epochMax+" "+list),

		sized("tip", &wire.Tip{Proposal: proposal}, decodeActivity, "00 "+chunk7+" 51*64"),
		sized("certified", &wire.Certified{Lock: lock}, decodeActivity, "01 "+chunk7+" 01 "+aggregate),
		sized("conflict of proposals", &wire.Conflict{Proposal: proposal,
			Other: wire.Proposal{Chunk: other, Signature: signatureOf(0x52)}},
			decodeActivity, "10 "+chunk7+" 51*64 00 11*32 07 33*32 52*64"),
		sized("conflict with a lock", &wire.Conflict{Proposal: proposal, Lock: &otherLock},
			decodeActivity, "10 "+chunk7+" 51*64 01 11*32 07 33*32 ac02 C1*48"),
		sized("lock conflict", &wire.LockConflict{First: lock, Second: otherLock}, decodeActivity, "11 "+locksTwins),
		sized("conflicting acks", &wire.ConflictingAcks{
			First:  wire.Ack{Chunk: chunkAt(7), Epoch: 1, Participant: 4, Signature: filled(g1, 0xA1)},
			Second: wire.Ack{Chunk: other, Epoch: 1, Participant: 4, Signature: filled(g1, 0xA2)}},
			decodeActivity, "12 "+acksTwins),
		sized("invalid ack", &wire.InvalidAck{Peer: keyOf(0x99), Message: []byte{1, 2, 3}},
			decodeActivity, "13 99*32 03 010203"),
		sized("invalid ack, empty", &wire.InvalidAck{Peer: keyOf(0x99), Message: []byte{}},
			decodeActivity, "13 99*32 00"),
		sized("invalid node", &wire.InvalidNode{Peer: keyOf(0x99), Message: filled(300, 0xEE)},
			decodeActivity, "14 99*32 ac02 EE*300"),
		sized("invalid certificate", &wire.InvalidCertificate{Peer: keyOf(0x99), Message: []byte{7}},
			decodeActivity, "15 99*32 01 07"),
		sized("fork", &wire.Fork{Upper: lock, Lower: &lowerLock, Headers: [][]byte{header7, header6}},
			decodeActivity, "16 "+chunk7+" 01 "+aggregate+" 01 11*32 05 22*32 ac02 C1*48 02 "+encoded7+" "+encoded6),
		sized("fork without headers", &wire.Fork{Upper: lock, Lower: &lowerLock},
			decodeActivity, "16 "+chunk7+" 01 "+aggregate+" 01 11*32 05 22*32 ac02 C1*48 00"),
		sized("fork that ends elsewhere", &wire.Fork{Upper: lock, Headers: [][]byte{header6}},
			decodeActivity, "16 "+chunk7+" 01 "+aggregate+" 00 01 "+encoded6),
		sized("inconsistent keys", &wire.InconsistentKeys{Subject: wire.Subject{Chunk: chunkAt(7), Epoch: 1}, Signers: signersOf(10, 0, 2, 9)},
			decodeActivity, "17 "+chunk7+" 01 "+signers10),
	}
}

func TestEveryTypeEncodesToTheBytesOfTheSpecification(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			want := unhex(t, g.encoded)
			got := g.value.AppendTo([]byte("before"))
			if !bytes.HasPrefix(got, []byte("before")) {
				t.Error("AppendTo changed the former bytes of the slice")
			}
			if got = got[len("before"):]; !bytes.Equal(got, want) {
				t.Errorf("encoded as\n%x, want\n%x", got, want)
			}
			if g.size() != len(want) {
				t.Errorf("Size() = %d, the encoding has %d bytes", g.size(), len(want))
			}
		})
	}
}

func TestEveryTypeDecodesFromTheBytesOfTheSpecification(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			got, err := g.decode(unhex(t, g.encoded))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, g.value) {
				t.Errorf("decoded to\n%+v, want\n%+v", got, g.value)
			}
		})
	}
}

func TestAnEncodingCutAtAnyByteIsRefused(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			whole := unhex(t, g.encoded)
			for n := range whole {
				got, err := g.decode(whole[:n:n])
				if err == nil {
					t.Fatalf("the first %d of %d bytes decoded to %+v", n, len(whole), got)
				}
			}
		})
	}
}

func TestAByteAfterTheEndIsRefused(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			want := wire.ErrTrailing
			if _, isAck := g.value.(*wire.Ack); isAck {
				want = wire.ErrSignatureSize // an ack's signature is the rest of the message
			}
			_, err := g.decode(append(unhex(t, g.encoded), 0))
			mustFail(t, err, want)
		})
	}
}

func TestDecodingReplacesAllFields(t *testing.T) {
	full := wire.Node{Chunk: chunkAt(7), Signature: signatureOf(0x51),
		Parent: wire.Parent{Payload: digestOf(0x0F), Epoch: 1, Certificate: certificateOf(multisig(10), 2)}}
	genesis := wire.Node{Chunk: chunkAt(0), Signature: signatureOf(0x52)}
	n := full
	if err := n.Decode(genesis.AppendTo(nil), goldenFormats); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(n, genesis) {
		t.Errorf("a node decoded over another is %+v, want %+v", n, genesis)
	}
}

func TestDecodedViewsCannotGrowIntoTheNextBytes(t *testing.T) {
	b := unhex(t, "12 "+acksTwins)
	a, err := wire.DecodeActivity(b, goldenFormats)
	if err != nil {
		t.Fatal(err)
	}
	first := a.(*wire.ConflictingAcks).First.Signature
	_ = append(first, 0xFF)
	if !bytes.Equal(b, unhex(t, "12 "+acksTwins)) {
		t.Error("appending to a decoded signature overwrote the message behind it")
	}
	b[len(unhex(t, "12 "+chunk7+" 01 04"))] = 0x77
	if first[0] != 0x77 {
		t.Error("the signature is a copy, not a view")
	}
}

func TestASubjectIsTheChunkAndTheEpoch(t *testing.T) {
	s := wire.Subject{Chunk: chunkAt(7), Epoch: 300}
	want := unhex(t, chunk7+" ac02")
	if got := s.AppendTo(nil); !bytes.Equal(got, want) || s.Size() != len(want) {
		t.Errorf("subject is %x (Size %d), want %x", got, s.Size(), want)
	}
	a := wire.Ack{Chunk: s.Chunk, Epoch: s.Epoch}
	l := wire.Lock{Chunk: s.Chunk, Epoch: s.Epoch}
	if a.Subject() != s || l.Subject() != s {
		t.Error("ack or lock speaks of another subject")
	}
}

func TestAParentIsTheChunkBelow(t *testing.T) {
	n := wire.Node{Chunk: chunkAt(7), Signature: signatureOf(0x51),
		Parent: wire.Parent{Payload: digestOf(0x0F), Epoch: 300}}
	want := wire.Subject{Epoch: 300, Chunk: wire.Chunk{Sequencer: keyOf(0x11), Height: 6, Payload: digestOf(0x0F)}}
	if got := n.ParentSubject(); got != want {
		t.Errorf("parent subject is %+v, want %+v", got, want)
	}
	if got := n.Proposal(); got != (wire.Proposal{Chunk: chunkAt(7), Signature: signatureOf(0x51)}) {
		t.Errorf("proposal is %+v", got)
	}
	genesis := wire.Node{Chunk: chunkAt(0)}
	if !n.HasParent() || genesis.HasParent() {
		t.Error("HasParent is not height > 0")
	}
}

func TestKeysDigestsAndSignaturesPrintAsHexadecimal(t *testing.T) {
	if got, want := keyOf(0xAB).String(), "abababab"; got[:8] != want || len(got) != 64 {
		t.Errorf("key prints as %s", got)
	}
	if got, want := digestOf(0x01).String(), "01010101"; got[:8] != want || len(got) != 64 {
		t.Errorf("digest prints as %s", got)
	}
	if got, want := signatureOf(0xF0).String(), "f0f0f0f0"; got[:8] != want || len(got) != 128 {
		t.Errorf("signature prints as %s", got)
	}
	if keyOf(1).Compare(keyOf(2)) != -1 || keyOf(2).Compare(keyOf(1)) != 1 || keyOf(1).Compare(keyOf(1)) != 0 {
		t.Error("keys do not compare by their bytes")
	}
}
