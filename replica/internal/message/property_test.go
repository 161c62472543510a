package message_test

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// epochFormats has one format for each epoch modulo 3.
type epochFormats struct{}

func (epochFormats) Format(epoch uint64) (wire.Format, bool) {
	return [...]wire.Format{
		{Kind: wire.SignersAndAggregate, Participants: 67, Signature: 96, AckSignature: 192},
		{Kind: wire.SingleSignature, Participants: 100, Signature: 48, AckSignature: 48},
		{Kind: wire.SignersAndList, Participants: 9, Signature: 64, AckSignature: 64},
	}[epoch%3], true
}

// drawn makes values from rapid's choices.
type drawn struct{ *rapid.T }

func (d drawn) integer(name string) uint64 {
	return rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(120, 300), rapid.Uint64()).Draw(d.T, name)
}

func (d drawn) bytes(n int, name string) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(d.T, name)
}

func (d drawn) flag(name string) bool { return rapid.Bool().Draw(d.T, name) }
func (d drawn) digest() wire.Digest   { return wire.Digest(d.bytes(32, "digest")) }
func (d drawn) key() wire.PublicKey   { return wire.PublicKey(d.bytes(32, "key")) }
func (d drawn) index() uint32         { return rapid.Uint32().Draw(d.T, "index") }
func (d drawn) count(most int) int    { return rapid.IntRange(0, most).Draw(d.T, "count") }
func (d drawn) place() message.Place {
	return message.Place{Sequencer: d.key(), Height: d.integer("height")}
}
func (d drawn) chunk(k wire.PublicKey) (c wire.Chunk) {
	return wire.Chunk{Sequencer: k, Height: d.integer("height"), Payload: d.digest()}
}

func (d drawn) revision() message.Revision {
	return message.Revision{Instance: [16]byte(d.bytes(16, "instance")), Number: d.integer("revision")}
}

func (d drawn) certificate(epoch uint64) []byte {
	f, _ := epochFormats{}.Format(epoch)
	s := wire.NewSigners(1 + d.count(f.Participants-1))
	for range 3 {
		s.Add(wire.Participant(d.count(s.Len() - 1)))
	}
	switch f.Kind {
	case wire.SignersAndAggregate:
		return wire.AppendSignersAndAggregate(nil, s, d.bytes(f.Signature, "aggregate"))
	case wire.SignersAndList:
		return wire.AppendSignersAndList(nil, s, func(wire.Participant) []byte { return d.bytes(f.Signature, "signature") })
	}
	return d.bytes(f.Signature, "signature")
}

func (d drawn) lock(k wire.PublicKey) wire.Lock {
	epoch := d.integer("epoch")
	return wire.Lock{Chunk: d.chunk(k), Epoch: epoch, Certificate: d.certificate(epoch)}
}

func (d drawn) tipsRequest() *message.TipsRequest {
	q := &message.TipsRequest{Follow: d.flag("follow")}
	if d.flag("since") {
		v := d.revision()
		q.Since = &v
	}
	if d.flag("after") {
		k := d.key()
		q.After = &k
	}
	for range d.count(message.MaxEpochs) {
		q.Epochs = append(q.Epochs, d.integer("epoch"))
	}
	slices.Sort(q.Epochs)
	q.Epochs = slices.Compact(q.Epochs)
	return q
}

func (d drawn) tips() *message.Tips {
	var keys []wire.PublicKey
	for range d.count(5) {
		keys = append(keys, d.key())
	}
	slices.SortFunc(keys, wire.PublicKey.Compare)
	page := &message.Tips{Revision: d.revision(), More: len(keys) > 0 && d.flag("more")}
	for _, k := range slices.Compact(keys) {
		page.Locks = append(page.Locks, d.lock(k))
	}
	return page
}

func (d drawn) headers() *message.Headers {
	var page message.Headers
	lane, height := d.key(), d.integer("height")
	for range 1 + d.count(5) {
		h := payload.Header{Sequencer: lane, Height: height, BodySize: d.integer("size"), Root: d.digest()}
		if height > 0 {
			h.Parent = d.digest()
			h.Parent[0] |= 1
		}
		page.Add(&h)
		if height == 0 {
			return &page
		}
		height--
	}
	page.More = d.flag("more")
	return &page
}

func (d drawn) ownChunk() *message.OwnChunk {
	o := new(message.OwnChunk)
	if d.flag("node") {
		o.Node = &wire.Node{Chunk: d.chunk(d.key()), Signature: wire.Signature(d.bytes(64, "signature"))}
		if epoch := d.integer("epoch"); o.Node.HasParent() {
			o.Node.Parent = wire.Parent{Payload: d.digest(), Epoch: epoch, Certificate: d.certificate(epoch)}
		}
	}
	if d.flag("ack") {
		epoch := d.integer("epoch")
		f, _ := epochFormats{}.Format(epoch)
		o.Ack = &wire.Ack{
			Chunk: d.chunk(d.key()), Epoch: epoch, Participant: wire.Participant(d.index()),
			Signature: d.bytes(f.AckSignature, "signature"),
		}
	}
	return o
}

func (d drawn) message(name string) encoding {
	switch name {
	case "tips request":
		return d.tipsRequest()
	case "tips":
		return d.tips()
	case "headers request":
		return &message.HeadersRequest{Place: d.place(), Digest: d.digest(), Count: uint32(1 + d.count(message.MaxHeaders-1))}
	case "headers":
		return d.headers()
	case "push":
		return &d.headers().Headers[0]
	case "pushed piece":
		return &message.PushedPiece{Digest: d.digest(), Index: d.index(), Bytes: d.bytes(1+d.count(40), "bytes")}
	case "piece request":
		return &message.PieceRequest{Place: d.place(), Digest: d.digest(), Index: d.index()}
	case "piece":
		return &message.Piece{
			Digest: d.digest(), Index: d.index(), Path: d.bytes(wire.DigestSize*d.count(message.MaxPath), "path"),
			Bytes: d.bytes(1+d.count(40), "bytes"),
		}
	case "absent":
		return &message.Absent{Reason: message.AbsentReason(d.count(int(message.Pruned))), Lowest: d.integer("lowest")}
	case "own chunk":
		return d.ownChunk()
	case "new lock":
		l := d.lock(d.key())
		return &l
	}
	panic("a message that is not drawn")
}

func TestWhatIsEncodedDecodesToTheSame(t *testing.T) {
	for _, name := range messageNames {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := drawn{t}.message(name)
				b := m.AppendTo([]byte("before"))[len("before"):]
				if m.Size() != len(b) {
					t.Fatalf("Size %d, and %d bytes", m.Size(), len(b))
				}
				got := messages[name]()
				if err := decodeInto(got, b, math.MaxUint64, epochFormats{}); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, m) {
					t.Fatalf("%+v became %+v", m, got)
				}
				// docs/protocol.md 2: trailing bytes are an error.
				if name == "piece" || name == "pushed piece" {
					return // their bytes have no end of their own
				}
				if decodeInto(got, append(slices.Clone(b), 0), math.MaxUint64, epochFormats{}) == nil {
					t.Fatal("a byte more is read")
				}
				for i := range b {
					if decodeInto(got, b[:i:i], math.MaxUint64, epochFormats{}) == nil {
						t.Fatalf("the first %d of %d bytes are read", i, len(b))
					}
				}
			})
		})
	}
}
