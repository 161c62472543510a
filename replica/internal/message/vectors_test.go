package message_test

import (
	"bytes"
	"encoding/hex"
	"maps"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit/layout"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

const maxPayload = payload.DefaultMaxPayload

// format is that of the vectors' locks, nodes and acks.
var (
	format               = wire.Format{Kind: wire.SignersAndAggregate, Participants: 4, Signature: 48, AckSignature: 48}
	formats wire.Formats = wire.SameFormat(format)
)

// encoding is a message with its methods to encode.
type encoding interface {
	AppendTo(dst []byte) []byte
	Size() int
}

// messages makes empty messages by their names in docs/protocol.md 8.3, except the one without
// bytes.
var messages = map[string]func() encoding{
	"tips request":    func() encoding { return new(message.TipsRequest) },
	"tips":            func() encoding { return new(message.Tips) },
	"headers request": func() encoding { return new(message.HeadersRequest) },
	"headers":         func() encoding { return new(message.Headers) },
	"push":            func() encoding { return new(payload.Header) },
	"pushed piece":    func() encoding { return new(message.PushedPiece) },
	"piece request":   func() encoding { return new(message.PieceRequest) },
	"piece":           func() encoding { return new(message.Piece) },
	"absent":          func() encoding { return new(message.Absent) },
	"own chunk":       func() encoding { return new(message.OwnChunk) },
	"new lock":        func() encoding { return new(wire.Lock) },
}

var messageNames = slices.Sorted(maps.Keys(messages))

// decodeInto decodes b into m with one of the two bounds, if m has one.
func decodeInto(m encoding, b []byte, maxPayload uint64, formats wire.Formats) error {
	switch m := m.(type) {
	case interface{ Decode(b []byte) error }:
		return m.Decode(b)
	case interface {
		Decode(b []byte, maxPayload uint64) error
	}:
		return m.Decode(b, maxPayload)
	case interface {
		Decode(b []byte, formats wire.Formats) error
	}:
		return m.Decode(b, formats)
	}
	panic("a message without a decoder")
}

// decode decodes a message by its name.
func decode(name string, b []byte) (encoding, error) {
	m := messages[name]()
	return m, decodeInto(m, b, maxPayload, formats)
}

func readVectors(t testing.TB) []layout.Case {
	t.Helper()
	cases, err := layout.ReadCases("testdata/vectors/payloads.json")
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range readVectors(t) {
		t.Run(c.Type+"/"+c.Name, func(t *testing.T) {
			seen[c.Type] = true
			b := unhex(t, c.Encoded)
			checkTwin(t, c, b)
			checkDecoder(t, c, b)
		})
	}
	for name := range layouts {
		if !seen[name] {
			t.Errorf("no vector for %s", name)
		}
	}
}

func checkTwin(t *testing.T, c layout.Case, b []byte) {
	t.Helper()
	fields, err := readSlowly(c.Type, b)
	if (err == nil) != (c.Decode == "ok") {
		t.Errorf("read slowly: %v", err)
	}
	if err == nil && !layout.Same(fields, c.Fields) {
		t.Errorf("read slowly it is %v", fields)
	}
}

func checkDecoder(t *testing.T, c layout.Case, b []byte) {
	t.Helper()
	if messages[c.Type] == nil {
		return
	}
	m, err := decode(c.Type, b)
	if (err == nil) != (c.Decode == "ok") {
		t.Fatalf("decoding: %v", err)
	}
	if err == nil {
		if again := m.AppendTo(nil); !bytes.Equal(again, b) || m.Size() != len(b) {
			t.Errorf("encodes to %x, Size %d", again, m.Size())
		}
		if !layout.Same(fieldsOf(m), c.Fields) {
			t.Errorf("decoded to %+v", m)
		}
	}
	if limit := typeOf(t, c.Type).Limit; err == nil && len(b) > limit {
		t.Errorf("%d bytes exceed the limit of %d", len(b), limit)
	}
	if c.Cuts == "error" {
		for i := range b {
			if _, err := decode(c.Type, b[:i]); err == nil {
				t.Errorf("its first %d bytes are read", i)
			}
		}
	}
}

// FuzzDecode compares the decoders with the slow twin, which reads the layouts of docs/protocol.md
// 8.3.
func FuzzDecode(f *testing.F) {
	for _, c := range readVectors(f) {
		if i := slices.Index(messageNames, c.Type); i >= 0 {
			f.Add(byte(i), unhex(f, c.Encoded))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		name := messageNames[int(which)%len(messageNames)]
		m, err := decode(name, b)
		fields, slow := readSlowly(name, b)
		if (err == nil) != (slow == nil) {
			t.Fatalf("%s, decoding: %v, slowly: %v", name, err, slow)
		}
		if err != nil {
			checkDecodeError(t, err)
			return
		}
		if !layout.Same(fieldsOf(m), fields) {
			t.Errorf("%s: decoded to %+v, slowly to %v", name, m, fields)
		}
		if again := m.AppendTo(nil); !bytes.Equal(again, b) || m.Size() != len(b) {
			t.Errorf("%s: encodes to %x, Size %d", name, again, m.Size())
		}
	})
}
