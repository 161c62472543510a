package wire_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/wire"
	"pgregory.net/rapid"
)

// propertyFormats has one format for each epoch modulo 5, so that messages of every scheme occur at
// any epoch.
type propertyFormats struct{}

func (propertyFormats) Format(epoch uint64) (wire.Format, bool) {
	switch epoch % 5 {
	case 0:
		return multisig(4), true
	case 1:
		return wire.Format{Kind: wire.SignersAndAggregate, Participants: 67, Signature: g2, AckSignature: 2 * g2}, true
	case 2:
		return threshold(100), true
	case 3:
		return ed25519List(9), true
	}
	return wire.Format{}, false
}

// drawn makes values with rapid's generators.
type drawn struct{ *rapid.T }

func (d drawn) integer(name string) uint64 {
	return rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(120, 300), rapid.Uint64()).Draw(d.T, name)
}

func (d drawn) knownEpoch() uint64 {
	epoch := d.integer("epoch")
	if epoch%5 == 4 {
		epoch--
	}
	return epoch
}

func (d drawn) bytes(n int, name string) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(d.T, name)
}

func (d drawn) chunk() wire.Chunk {
	return wire.Chunk{Sequencer: wire.PublicKey(d.bytes(32, "sequencer")), Height: d.integer("height"),
		Payload: wire.Digest(d.bytes(32, "payload"))}
}

// rival returns a chunk that conflicts with c.
func (d drawn) rival(c wire.Chunk) wire.Chunk {
	c.Payload[d.integer("byte")%32] ^= byte(1 << (d.integer("bit") % 8))
	return c
}

func (d drawn) signature() wire.Signature { return wire.Signature(d.bytes(64, "chunk signature")) }

func (d drawn) proposal(c wire.Chunk) wire.Proposal {
	return wire.Proposal{Chunk: c, Signature: d.signature()}
}

func (d drawn) certificate(epoch uint64) []byte {
	f, _ := propertyFormats{}.Format(epoch)
	n := rapid.IntRange(1, f.Participants).Draw(d.T, "bitmap length")
	s := wire.NewSigners(n)
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, n-1), 1, n).Draw(d.T, "signers") {
		s.Add(wire.Participant(i))
	}
	switch f.Kind {
	case wire.SignersAndAggregate:
		return wire.AppendSignersAndAggregate(nil, s, d.bytes(f.Signature, "aggregate"))
	case wire.SignersAndList:
		return wire.AppendSignersAndList(nil, s, func(wire.Participant) []byte { return d.bytes(f.Signature, "signature") })
	default:
		return d.bytes(f.Signature, "signature")
	}
}

func (d drawn) parent() wire.Parent {
	epoch := d.knownEpoch()
	return wire.Parent{Payload: wire.Digest(d.bytes(32, "parent")), Epoch: epoch, Certificate: d.certificate(epoch)}
}

func (d drawn) node() wire.Node {
	n := wire.Node{Chunk: d.chunk(), Signature: d.signature()}
	if n.HasParent() {
		n.Parent = d.parent()
	}
	return n
}

func (d drawn) ack(c wire.Chunk, epoch uint64, i wire.Participant) wire.Ack {
	f, _ := propertyFormats{}.Format(epoch)
	return wire.Ack{Chunk: c, Epoch: epoch, Participant: i, Signature: d.bytes(f.AckSignature, "vote")}
}

func (d drawn) participant() wire.Participant { return wire.Participant(d.integer("participant")) }

func (d drawn) lock(c wire.Chunk) wire.Lock {
	epoch := d.knownEpoch()
	return wire.Lock{Chunk: c, Epoch: epoch, Certificate: d.certificate(epoch)}
}

func (d drawn) activity() wire.Activity {
	c := d.chunk()
	switch rapid.IntRange(0, 10).Draw(d.T, "activity") {
	case 0:
		return &wire.Tip{Proposal: d.proposal(c)}
	case 1:
		return &wire.Certified{Lock: d.lock(c)}
	case 2:
		return &wire.Conflict{Proposal: d.proposal(c), Other: d.proposal(d.rival(c))}
	case 3:
		lock := d.lock(d.rival(c))
		return &wire.Conflict{Proposal: d.proposal(c), Lock: &lock}
	case 4:
		return &wire.LockConflict{First: d.lock(c), Second: d.lock(d.rival(c))}
	case 5:
		epoch, i := d.knownEpoch(), d.participant()
		return &wire.ConflictingAcks{First: d.ack(c, epoch, i), Second: d.ack(d.rival(c), epoch, i)}
	case 6:
		return &wire.InvalidAck{Peer: c.Sequencer, Message: rapid.SliceOf(rapid.Byte()).Draw(d.T, "message")}
	case 7:
		epoch := d.knownEpoch()
		f, _ := propertyFormats{}.Format(epoch)
		s := wire.NewSigners(rapid.IntRange(1, f.Participants).Draw(d.T, "bitmap length"))
		s.Add(wire.Participant(rapid.IntRange(0, s.Len()-1).Draw(d.T, "signer")))
		return &wire.InconsistentKeys{Subject: wire.Subject{Chunk: c, Epoch: epoch}, Signers: s}
	case 8:
		return &wire.InvalidCertificate{Peer: c.Sequencer, Message: rapid.SliceOf(rapid.Byte()).Draw(d.T, "message")}
	case 9:
		return d.fork(c)
	default:
		return &wire.InvalidNode{Peer: c.Sequencer, Message: rapid.SliceOf(rapid.Byte()).Draw(d.T, "message")}
	}
}

func (d drawn) fork(c wire.Chunk) wire.Activity {
	a := &wire.Fork{}
	count := rapid.IntRange(0, 3).Draw(d.T, "headers")
	if rapid.Bool().Draw(d.T, "lower") {
		distance := max(uint64(count), 1)
		lower := d.rival(c)
		lower.Height = min(lower.Height, 1<<64-1-distance)
		c.Height = lower.Height + distance
		k := d.lock(lower)
		a.Lower = &k
	} else {
		count = max(count, 1)
	}
	a.Upper = d.lock(c)
	for range count {
		h := append(append([]byte{1}, d.bytes(32, "sequencer")...), wire.AppendUvarint(nil, d.integer("height"))...)
		h = append(append(h, d.bytes(32, "parent")...), wire.AppendUvarint(nil, d.integer("size"))...)
		h = append(h, d.bytes(32, "root")...)
		a.Headers = append(a.Headers, h[:len(h):len(h)])
	}
	return a
}

// message is any value of this package that is sent.
type message interface {
	Size() int
	AppendTo([]byte) []byte
}

// decoders are the decoders of all types, by name. They return the bytes that the decoded value
// encodes to.
var decoders = map[string]func([]byte, wire.Formats) (message, error){
	"chunk":    func(b []byte, _ wire.Formats) (message, error) { v := new(wire.Chunk); return v, v.Decode(b) },
	"proposal": func(b []byte, _ wire.Formats) (message, error) { v := new(wire.Proposal); return v, v.Decode(b) },
	"parent":   func(b []byte, f wire.Formats) (message, error) { v := new(wire.Parent); return v, v.Decode(b, f) },
	"node":     func(b []byte, f wire.Formats) (message, error) { v := new(wire.Node); return v, v.Decode(b, f) },
	"ack":      func(b []byte, f wire.Formats) (message, error) { v := new(wire.Ack); return v, v.DecodeWith(b, f) },
	"lock":     func(b []byte, f wire.Formats) (message, error) { v := new(wire.Lock); return v, v.Decode(b, f) },
	"activity": func(b []byte, f wire.Formats) (message, error) { return wire.DecodeActivity(b, f) },
}

// message makes a value of the type of that name.
func (d drawn) message(name string) message {
	switch name {
	case "chunk":
		v := d.chunk()
		return &v
	case "proposal":
		v := d.proposal(d.chunk())
		return &v
	case "parent":
		v := d.parent()
		return &v
	case "node":
		v := d.node()
		return &v
	case "ack":
		v := d.ack(d.chunk(), d.knownEpoch(), d.participant())
		return &v
	case "lock":
		v := d.lock(d.chunk())
		return &v
	default:
		return d.activity()
	}
}

func TestEveryEncodedMessageDecodesToItself(t *testing.T) {
	for name, decode := range decoders {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := drawn{t}.message(name)
				b := want.AppendTo(nil)
				if len(b) != want.Size() {
					t.Fatalf("%d bytes, Size says %d", len(b), want.Size())
				}
				got, err := decode(b, propertyFormats{})
				if err != nil {
					t.Fatalf("%+v does not decode: %v", want, err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("decoded to\n%+v, want\n%+v", got, want)
				}
			})
		})
	}
}

// Every encoding has exactly one meaning and every meaning one encoding: bytes changed anywhere
// either decode to something else, which encodes to just these bytes, or not at all.
func TestEveryMessageThatDecodesEncodesToTheSameBytes(t *testing.T) {
	for name, decode := range decoders {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				b := drawn{t}.message(name).AppendTo(nil)
				for range rapid.IntRange(0, 3).Draw(t, "changes") {
					at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
					switch c := rapid.Byte().Draw(t, "byte"); rapid.IntRange(0, 2).Draw(t, "change") {
					case 0:
						b[at] = c
					case 1:
						b = append(b[:at:at], append([]byte{c}, b[at:]...)...)
					default:
						b = append(b[:at:at], b[at+1:]...)
					}
					if len(b) == 0 {
						return
					}
				}
				checkReencodes(t, decode, b, propertyFormats{})
			})
		})
	}
}

func checkReencodes(t interface{ Fatalf(string, ...any) },
	decode func([]byte, wire.Formats) (message, error), b []byte, formats wire.Formats) {
	before := bytes.Clone(b)
	v, err := decode(b, formats)
	if !bytes.Equal(b, before) {
		t.Fatalf("decoding changed its input from %x to %x", before, b)
	}
	if err != nil {
		return
	}
	if again := v.AppendTo(nil); !bytes.Equal(again, b) {
		t.Fatalf("%x decoded to %+v, which encodes to %x", b, v, again)
	}
	if v.Size() != len(b) {
		t.Fatalf("%x has %d bytes, Size says %d", b, len(b), v.Size())
	}
}

// A lock at the start of longer bytes is read as one that is the whole of them is.
func TestALockIsReadAtTheStartOfLongerBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawn{t}.lock(drawn{t}.chunk())
		b := want.AppendTo(nil)
		longer := append(slices.Clone(b), rapid.SliceOf(rapid.Byte()).Draw(t, "what follows")...)
		var got wire.Lock
		if n, err := got.DecodePrefix(longer, propertyFormats{}); err != nil || n != len(b) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d of %d bytes, %+v, %v", n, len(b), got, err)
		}
		cut := b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]
		if n, err := got.DecodePrefix(cut, propertyFormats{}); err == nil || n != 0 {
			t.Fatalf("%d bytes and %v of a lock that is cut", n, err)
		}
	})
}
