package message_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

const maxPayload = payload.DefaultMaxPayload

// formats is that of the vectors' sets.
var formats = wire.SameFormat{Kind: wire.SignersAndAggregate, Participants: 4, Signature: 48, AckSignature: 48}

// encoding is what a decoded message is encoded by.
type encoding interface {
	AppendTo(dst []byte) []byte
	Size() int
}

// decoders decode messages by their names in docs/protocol.md 8.3.
var decoders = map[string]func(b []byte) (encoding, error){
	"tips request":    func(b []byte) (encoding, error) { m := new(message.TipsRequest); return m, m.Decode(b) },
	"tips":            func(b []byte) (encoding, error) { m := new(message.Tips); return m, m.Decode(b, formats) },
	"headers request": func(b []byte) (encoding, error) { m := new(message.HeadersRequest); return m, m.Decode(b) },
	"headers":         func(b []byte) (encoding, error) { m := new(message.Headers); return m, m.Decode(b, maxPayload) },
	"push":            func(b []byte) (encoding, error) { m := new(payload.Header); return m, m.Decode(b, maxPayload) },
	"pushed piece":    func(b []byte) (encoding, error) { m := new(message.PushedPiece); return m, m.Decode(b) },
	"piece request":   func(b []byte) (encoding, error) { m := new(message.PieceRequest); return m, m.Decode(b) },
	"piece":           func(b []byte) (encoding, error) { m := new(message.Piece); return m, m.Decode(b) },
	"absent":          func(b []byte) (encoding, error) { m := new(message.Absent); return m, m.Decode(b) },
	"own chunk":       func(b []byte) (encoding, error) { m := new(message.OwnChunk); return m, m.Decode(b, formats) },
	"new lock":        func(b []byte) (encoding, error) { m := new(wire.Lock); return m, m.Decode(b, formats) },
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "network", "testdata", "vectors", "transport.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct{ Name, Type, Encoded, Decode, Cuts string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, c := range file.Cases {
		decode := decoders[c.Type]
		if decode == nil {
			continue
		}
		seen[c.Type] = true
		t.Run(c.Type+"/"+c.Name, func(t *testing.T) {
			b, err := hex.DecodeString(c.Encoded)
			if err != nil {
				t.Fatal(err)
			}
			m, err := decode(b)
			if (err == nil) != (c.Decode == "ok") {
				t.Fatalf("decoding: %v", err)
			}
			if err == nil && (!bytes.Equal(m.AppendTo(nil), b) || m.Size() != len(b)) {
				t.Errorf("encodes to %x, Size %d", m.AppendTo(nil), m.Size())
			}
			if c.Cuts == "error" {
				for i := range b {
					if _, err := decode(b[:i]); err == nil {
						t.Errorf("its first %d bytes are read", i)
					}
				}
			}
		})
	}
	for name := range decoders {
		if !seen[name] {
			t.Errorf("no vector for %s", name)
		}
	}
}
