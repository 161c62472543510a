package wire_test

import (
	"bytes"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// fuzzDecoder seeds a target with all golden messages of a type, also cut and lengthened. Its
// property: every message that decodes encodes to the same bytes.
func fuzzDecoder(f *testing.F, name string, is func(any) bool) {
	for _, g := range goldens() {
		if !is(g.value) {
			continue
		}
		b := unhex(f, g.encoded)
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(append(b, 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkReencodes(t, decoders[name], b, goldenFormats)
		checkReencodes(t, decoders[name], b, propertyFormats{})
	})
}

func isA[T any](v any) bool { _, ok := v.(T); return ok }

func FuzzDecodeChunk(f *testing.F)    { fuzzDecoder(f, "chunk", isA[*wire.Chunk]) }
func FuzzDecodeProposal(f *testing.F) { fuzzDecoder(f, "proposal", isA[*wire.Proposal]) }
func FuzzDecodeParent(f *testing.F)   { fuzzDecoder(f, "parent", isA[*wire.Parent]) }
func FuzzDecodeNode(f *testing.F)     { fuzzDecoder(f, "node", isA[*wire.Node]) }
func FuzzDecodeAck(f *testing.F)      { fuzzDecoder(f, "ack", isA[*wire.Ack]) }
func FuzzDecodeLock(f *testing.F)     { fuzzDecoder(f, "lock", isA[*wire.Lock]) }
func FuzzDecodeActivity(f *testing.F) { fuzzDecoder(f, "activity", isA[wire.Activity]) }

// FuzzDecodeStored reads nodes and locks as journal records are read.
func FuzzDecodeStored(f *testing.F) {
	for _, g := range goldens() {
		if isA[*wire.Node](g.value) || isA[*wire.Lock](g.value) {
			f.Add(unhex(f, g.encoded))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkReencodes(t, func(b []byte, _ wire.Formats) (message, error) {
			n := new(wire.Node)
			return n, n.DecodeStored(b)
		}, b, nil)
		checkReencodes(t, func(b []byte, _ wire.Formats) (message, error) {
			l := new(wire.Lock)
			return l, l.DecodeStored(b)
		}, b, nil)
	})
}

// FuzzSplitCertificate checks that every certificate that can be split can be put together again
// and has the properties that decoding promises.
func FuzzSplitCertificate(f *testing.F) {
	f.Add(unhex(f, aggregate), uint16(10))
	f.Add(unhex(f, list), uint16(3))
	f.Add(unhex(f, "C1*48"), uint16(4))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		for _, format := range []wire.Format{multisig(int(n)), threshold(int(n)), ed25519List(int(n))} {
			s, sigs, err := format.SplitCertificate(b)
			if err != nil {
				continue
			}
			if len(b) > format.MaxCertificateSize() || s.Len() > int(n) {
				t.Fatalf("%x is larger than its format allows", b)
			}
			var again []byte
			switch format.Kind {
			case wire.SingleSignature:
				again = sigs
			case wire.SignersAndAggregate:
				again = wire.AppendSignersAndAggregate(nil, s, sigs)
			case wire.SignersAndList:
				again = wire.AppendSignersAndList(nil, s, func(wire.Participant) (next []byte) {
					next, sigs = sigs[:ed], sigs[ed:]
					return next
				})
			}
			if !bytes.Equal(again, b) {
				t.Fatalf("%x was put together again as %x", b, again)
			}
			if format.Kind != wire.SingleSignature && s.Count() == 0 {
				t.Fatalf("%x has no signers", b)
			}
		}
	})
}
