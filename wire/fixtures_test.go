package wire_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// Sizes of signatures, in bytes.
const (
	g1 = 48
	g2 = 96
	ed = 64
)

func multisig(n int) wire.Format {
	return wire.Format{Kind: wire.SignersAndAggregate, Participants: n, Signature: g1, AckSignature: g1}
}

func threshold(n int) wire.Format {
	return wire.Format{Kind: wire.SingleSignature, Participants: n, Signature: g1, AckSignature: g1}
}

func ed25519List(n int) wire.Format {
	return wire.Format{Kind: wire.SignersAndList, Participants: n, Signature: ed, AckSignature: ed}
}

// epochFormats knows only the epochs in the map.
type epochFormats map[uint64]wire.Format

func (f epochFormats) Format(epoch uint64) (wire.Format, bool) {
	format, ok := f[epoch]
	return format, ok
}

func filled(n int, c byte) []byte { return bytes.Repeat([]byte{c}, n) }

func digestOf(c byte) wire.Digest       { return wire.Digest(filled(wire.DigestSize, c)) }
func keyOf(c byte) wire.PublicKey       { return wire.PublicKey(filled(wire.PublicKeySize, c)) }
func signatureOf(c byte) wire.Signature { return wire.Signature(filled(wire.SignatureSize, c)) }

func chunkAt(height uint64) wire.Chunk {
	return wire.Chunk{Sequencer: keyOf(0x11), Height: height, Payload: digestOf(0x22)}
}

func signersOf(n int, who ...wire.Participant) wire.Signers {
	s := wire.NewSigners(n)
	for _, i := range who {
		s.Add(i)
	}
	return s
}

// certificateOf returns the bytes of a certificate in f's layout, signed by every participant
// except those whose number is a multiple of skip.
func certificateOf(f wire.Format, skip int) []byte {
	s := wire.NewSigners(f.Participants)
	for i := range f.Participants {
		if i%skip != 0 || f.Participants == 1 {
			s.Add(wire.Participant(i))
		}
	}
	signature := func(i wire.Participant) []byte { return filled(f.Signature, byte(i)) }
	switch f.Kind {
	case wire.SignersAndAggregate:
		return wire.AppendSignersAndAggregate(nil, s, signature(0xC0))
	case wire.SignersAndList:
		return wire.AppendSignersAndList(nil, s, signature)
	default:
		return signature(0xC0)
	}
}

// unhex reads hexadecimal with spaces and "XX*n" for n times the byte XX, so that expected bytes
// can be written field by field.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var out []byte
	for _, word := range strings.Fields(text) {
		digits, times := word, 1
		if at := strings.IndexByte(word, '*'); at >= 0 {
			digits, times = word[:at], 0
			for _, c := range word[at+1:] {
				times = times*10 + int(c-'0')
			}
		}
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("expected bytes %q: %v", word, err)
		}
		out = append(out, bytes.Repeat(b, times)...)
	}
	return out
}
